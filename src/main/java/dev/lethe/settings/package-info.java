/**
 * What an erasure is told: its strategy, how far it goes, what it keeps, what its guards allow, and the examples it
 * works on.
 *
 * <p>May import train, run, model, data and below.
 */
package dev.lethe.settings;
