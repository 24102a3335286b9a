/**
 * What has nothing to do with models: files for their owner alone, locks, destruction, hashes, problems gathered,
 * causes in words.
 *
 * <p>May import the exceptions in {@code dev.lethe} and the JDK, nothing else.
 */
package dev.lethe.base;
