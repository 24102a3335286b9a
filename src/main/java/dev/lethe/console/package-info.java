/**
 * What commands share: where they speak, progress, the result as JSON, the options that several of them have.
 *
 * <p>May import report and everything below it.
 */
package dev.lethe.console;
