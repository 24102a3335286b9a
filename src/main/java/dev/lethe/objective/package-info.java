/**
 * The losses whose descent forgets, one file each, as their papers have them. Each leaves its gradient in the model's
 * buffer.
 *
 * <p>May import settings, train, data, engine and below.
 */
package dev.lethe.objective;
