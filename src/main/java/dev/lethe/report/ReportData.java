package dev.lethe.report;

import com.fasterxml.jackson.annotation.JsonAnyGetter;
import dev.lethe.results.RecordMetric;
import java.util.List;
import java.util.Map;

/**
 * Everything a report shows, as report.json has it. Parts that do not exist are empty lists. Losses in nats a token.
 *
 * @param title heading of the page
 * @param summary what an officer reads first
 * @param facts what was done, label and value, in order
 * @param columns names of the models compared, in order, such as before, after, retrained
 * @param groups rows of the comparison
 * @param records one a measured record, group by group
 * @param training one a training step
 * @param erasure one a move of the erasure
 * @param target forget loss aimed at, NaN without an erasure
 * @param influence distributions by site
 * @param samples continuations by each model
 * @param notes what a reader should know, such as limits
 */
public record ReportData(String title, ErasureSummary summary, List<Fact> facts, List<String> columns, List<Group> groups,
                         List<Line> records, List<TrainingPoint> training, List<ErasurePoint> erasure, double target,
                         List<Influence> influence, List<Sample> samples, List<String> notes) {
    public record Fact(String label, String value) {}

    /** Scores of one group of records, one a model. */
    public record Group(String name, int records, List<Scores> scores) {}

    /** Of one group under one model. */
    public record Scores(double meanLoss, double perplexity, @JsonAnyGetter Map<RecordMetric, Double> means, double rougeLRecall) {}

    /**
     * One record under each model; NaN where a model has no such number.
     *
     * @param name              of an erased one its name in the account, of another its place in the group; its id where that was
     *                          asked for
     * @param group             as in the groups
     * @param loss              one a model, in the columns' order, nats a token
     * @param exactMemorisation the same, a share
     * @param rougeLRecall      the same, a share; empty where it was not continued
     */
    public record Line(String name, String group, List<Double> loss, List<Double> exactMemorisation, List<Double> rougeLRecall) {}

    /** @param heldOutLoss NaN where it was not measured */
    public record TrainingPoint(long step, double loss, double heldOutLoss) {}

    /** Losses after one move; NaN where not measured. @param kept false when the move was taken back */
    public record ErasurePoint(int index, String action, boolean kept, double forget, double retain, double heldOut) {}

    /**
     * Influence of records on the forget set's loss at one site. @param measure dot, cosine or act-grad @param group forget or
     * retain
     */
    public record Influence(String measure, String site, String group, double[] before, double[] after) {}

    /** A record's continuation. @param byModel one a column, in order */
    public record Sample(String id, String group, String prompt, String reference, List<String> byModel) {}

    public ReportData {
        facts = List.copyOf(facts);
        columns = List.copyOf(columns);
        groups = List.copyOf(groups);
        records = List.copyOf(records);
        training = List.copyOf(training);
        erasure = List.copyOf(erasure);
        influence = List.copyOf(influence);
        samples = List.copyOf(samples);
        notes = List.copyOf(notes);
    }
}
