package dev.lethe.sweep;

import dev.lethe.engine.Engine;
import dev.lethe.settings.EraseConfig;
import dev.lethe.spec.Spec;

/**
 * What everything that carries out a part of a study works with.
 *
 * @param plan the cells, and what the original models must leave in their ledgers
 */
record SweepContext(Engine engine, Spec spec, StudyData data, Trainings trainings, Plan plan, StudyListener listener) {
    /** The capture of the training that serves an erasure with this head; null: of whichever training is made anyway. */
    Captures.Plan capture(String head, EraseConfig config) {
        return plan.captures().get(head).of(config);
    }
}
