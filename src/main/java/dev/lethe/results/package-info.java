/**
 * What Lethe answers and tells on the way: the account of an erasure, measures of a model, a proof's findings, and the listeners
 * of trainings and erasures. Values are immutable, any thread; losses are means over target tokens, in nats.
 *
 * <p>May import settings, find and what they import; computes nothing.
 */
@NullMarked
package dev.lethe.results;

import org.jspecify.annotations.NullMarked;
