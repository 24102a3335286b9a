/**
 * What Lethe throws on purpose: every {@link dev.lethe.LetheException}, by what its reader can do about it. Knows
 * nothing else of Lethe.
 */
package dev.lethe;
