/**
 * What a study is to do: the JSON file that describes it, read and checked, the cells that it stands for, and what came
 * of one.
 *
 * <p>May import report and everything below it.
 */
package dev.lethe.spec;
