package dev.lethe.influence;

import java.util.List;

/**
 * A query's scores of all records.
 *
 * @param query   its name
 * @param form    how the products were computed
 * @param records in the order first captured
 */
public record QueryScores(String query, QueryForm form, List<RecordScore> records) {}
