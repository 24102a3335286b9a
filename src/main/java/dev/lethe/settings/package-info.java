/**
 * What is asked of Lethe: how to train and from what ({@link dev.lethe.settings.TrainConfig},
 * {@link dev.lethe.settings.ModelSource}), how to erase ({@link dev.lethe.settings.EraseConfig}), what to prove. Immutable, any
 * thread; builders belong to one thread.
 *
 * <p>May import engine, shape and base.
 */
@NullMarked
package dev.lethe.settings;

import org.jspecify.annotations.NullMarked;
