package dev.lethe.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.report.Table.Csv;
import dev.lethe.shape.Site;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Scores of records on queries, by falling score, as JSON and as CSV. */
final class ScoreTable {
    /** One record. @param bySite the sites that add to the score */
    record Scored(String id, double score, Map<String, Double> bySite) {}

    /** One query. @param form dense or factored, how the products were computed; null where there are none */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Ranking(String query, String form, int scored, List<Scored> records) {}

    private final List<Site> sites;
    private final int top; // 0 = all
    private final List<Ranking> rankings = new ArrayList<>();
    private final List<double[]> totals = new ArrayList<>(); // of every record, for the distribution

    ScoreTable(List<Site> sites, int top) {
        this.sites = sites;
        this.top = top;
    }

    /** A record with its parts, [S] in the model's order. */
    Scored scored(String id, double score, double[] bySite) {
        Map<String, Double> named = new LinkedHashMap<>();
        for (Site site : sites) {
            if (bySite[site.index()] != 0) {
                named.put(site.name(), bySite[site.index()]);
            }
        }
        return new Scored(id, score, named);
    }

    void add(String query, String form, List<Scored> scores) {
        List<Scored> sorted = new ArrayList<>(scores);
        sorted.sort(Comparator.comparingDouble((Scored score) -> -score.score));
        totals.add(sorted.stream().mapToDouble(Scored::score).toArray());
        rankings.add(new Ranking(query, form, sorted.size(),
                List.copyOf(sorted.subList(0, top == 0 ? sorted.size() : Math.min(top, sorted.size())))));
    }

    List<Ranking> rankings() {
        return rankings;
    }

    double[] totals() {
        return totals.stream().flatMapToDouble(java.util.Arrays::stream).toArray();
    }

    /** query,rank,id,score and a column a site that any shown record has a part at. */
    String csv() {
        List<String> named = sites.stream().map(Site::name).filter(name -> rankings.stream()
                .flatMap(ranking -> ranking.records.stream()).anyMatch(score -> score.bySite.containsKey(name))).toList();
        StringBuilder csv = new StringBuilder("query,rank,id,score");
        named.forEach(name -> csv.append(',').append(name));
        csv.append('\n');
        for (Ranking ranking : rankings) {
            int rank = 1;
            for (Scored score : ranking.records) {
                csv.append(Csv.cell(ranking.query)).append(',').append(rank++).append(',').append(Csv.cell(score.id))
                        .append(',').append(score.score);
                named.forEach(name -> csv.append(',').append(score.bySite.getOrDefault(name, 0.0)));
                csv.append('\n');
            }
        }
        return csv.toString();
    }
}
