package dev.lethe.prove;

import dev.lethe.chart.Chart;
import dev.lethe.chart.LineChart;
import dev.lethe.chart.LineChart.Line;
import dev.lethe.chart.Style;
import dev.lethe.html.JteproofGenerated;
import dev.lethe.report.ReportData.Fact;
import dev.lethe.report.Section;
import dev.lethe.report.Section.Table;
import dev.lethe.results.Finding;
import dev.lethe.results.Proof;
import dev.lethe.results.Row;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A proof for people: verdict and sentences first, numbers and curves below. Deterministic. */
final class ProofPage {
    static final String PROOF = "proof.json";
    static final String PAGE = "proof.html";
    private static final Pattern STEPS = Pattern.compile("(same subject|unrelated text), (\\d+) steps");
    private static final Pattern TRIES = Pattern.compile("(leak)@(\\d+)");

    private ProofPage() { }

    static String page(Proof proof) {
        List<Fact> facts = List.of(
                new Fact("records", proof.erased() + " erased, beside " + proof.controls() + " that were never seen"),
                new Fact("models", String.join(", ", proof.models().stream().map(Proof.Model::name).toList())),
                new Fact("run", proof.run()), new Fact("made by", "Lethe " + proof.lethe() + String.format(Locale.ROOT, " in %.0f s",
                        proof.seconds())));
        List<Section> sections = proof.findings().stream().map(finding -> section(finding, proof)).toList();
        return Section.page(out -> JteproofGenerated.render(out, null, proof, facts, sections));
    }

    private static Section section(Finding finding, Proof proof) {
        List<Chart> charts = new ArrayList<>();
        chart(charts, finding, proof, "same subject", STEPS, "steps of training on others of the same subject", true);
        chart(charts, finding, proof, "unrelated text", STEPS, "steps of training on unrelated text", true);
        chart(charts, finding, proof, "leak", TRIES, "texts drawn", false);
        return new Section(finding.attack(), finding.question() + " " + finding.papers() + ".",
                List.of(Table.of("", columns(proof), rows(finding, proof))), List.of(), List.of(new Section.Figure("", charts, "")));
    }

    private static List<String> columns(Proof proof) {
        List<String> columns = new ArrayList<>(List.of("measure"));
        proof.models().forEach(model -> columns.add(model.name()));
        return columns;
    }

    private static List<Table.Row> rows(Finding finding, Proof proof) {
        List<String> measures = finding.rows().stream().map(Row::measure).distinct().toList();
        return measures.stream().map(measure -> {
            boolean judged = finding.rows().stream().noneMatch(row -> row.measure().equals(measure) && row.baseline() != null);
            List<String> cells = new ArrayList<>(List.of(judged ? measure : measure + " (not judged)"));
            proof.models().forEach(model -> cells.add(finding.rows().stream()
                    .filter(row -> row.measure().equals(measure) && row.model().equals(model.name())).findFirst().map(ProofPage::cell)
                    .orElse("–").replace("  ", "\n")));
            return new Table.Row(false, cells);
        }).toList();
    }

    /** A row in short, as pages and terminals show it. */
    static String cell(Row row) {
        StringBuilder text = new StringBuilder();
        if (row.value() != null) {
            text.append(String.format(Locale.ROOT, "%.3f", row.value()));
        }
        if (row.erased() != null && row.controls() != null) {
            text.append(String.format(Locale.ROOT, "%.2f / %.2f", row.erased(), row.controls()));
        }
        if (row.apart() != null) {
            text.append(String.format(Locale.ROOT, "  %.0f [%.0f, %.0f]", 100 * row.apart().auc(), 100 * row.apart().low(),
                    100 * row.apart().high()));
        }
        if (row.extracted() != null) {
            text.append("  out: ").append(row.extracted().records()).append(" of ").append(row.extracted().asked());
        }
        return text.toString().strip();
    }

    private static void chart(List<Chart> charts, Finding finding, Proof proof, String what, Pattern measure, String axis, boolean loss) {
        List<Line> lines = new ArrayList<>();
        for (Proof.Model model : proof.models()) {
            Line line = line(finding, model.name(), what, measure, true, lines.size());
            if (line.x().length > 1) {
                lines.add(line);
            }
        }
        if (!lines.isEmpty()) {
            lines.add(line(finding, proof.models().getFirst().name(), what, measure, false, lines.size()));
            charts.add(new LineChart(finding.attack() + "-" + what.replace(' ', '-'), finding.attack() + ": " + what, axis,
                    loss ? "mean token loss of the erased, nats" : "ROUGE-L recall of the best", false, lines, Double.NaN, ""));
        }
    }

    private static Line line(Finding finding, String model, String what, Pattern measure, boolean erased, int style) {
        List<double[]> points = new ArrayList<>();
        for (Row row : finding.rows()) {
            Matcher named = measure.matcher(row.measure());
            Double value = erased ? row.erased() : row.controls();
            if (row.model().equals(model) && value != null && named.matches() && named.group(1).equals(what)) {
                points.add(new double[] {Double.parseDouble(named.group(2)), value});
            }
        }
        return new Line(erased ? model : "never seen, " + model, Style.of(style), true,
                points.stream().mapToDouble(point -> point[0]).toArray(), points.stream().mapToDouble(point -> point[1]).toArray());
    }
}
