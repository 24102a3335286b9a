package dev.lethe.train;

import dev.lethe.results.TrainStep;
import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** The JFR event of one optimizer step. */
@Name("dev.lethe.TrainStep")
@Label("Training step")
@Category({"Lethe", "Training"})
@StackTrace(false)
final class TrainStepEvent extends Event {
    @Label("Step") long step;
    @Label("Epoch") int epoch;
    @Label("Records") int records;
    @Label("Tokens") int tokens;
    @Label("Loss") double loss;
    @Label("Captured") boolean captured;

    void finish(TrainStep done) {
        step = done.step();
        epoch = done.epoch();
        records = done.records();
        tokens = done.tokens();
        loss = done.loss();
        captured = done.captured();
        commit();
    }
}
