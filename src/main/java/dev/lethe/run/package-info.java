/**
 * The folder of a run: what lies in it, who holds it, what it was trained with and which runs are its kin.
 *
 * <p>May import {@code data}, {@code engine} and what they import; no loop is here, and nothing prints.
 */
package dev.lethe.run;
