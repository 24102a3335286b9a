package dev.lethe.page;

import dev.lethe.report.Section.Figure;
import java.util.ArrayList;
import java.util.List;

/** Every figure of one forget set's variants, in the order of reading; what cannot be drawn says why. Grids
 * of fixed rates and steps stand in their own figure and in the tables, not in those over all variants. */
final class StudyFigures {
    private StudyFigures() { }

    /** @param suffix of file names, distinct for every forget set */
    static List<Figure> of(Study study, String suffix) {
        if (study.variants().stream().allMatch(CurveFigures::isSequence)) {
            return List.of(CurveFigures.sequence(study, suffix));
        }
        Study most = study.withoutFixedRates();
        List<Figure> figures = new ArrayList<>();
        figures.add(FrontierFigures.quality(most, suffix));
        figures.add(FrontierFigures.relearning(most, suffix));
        figures.add(InfluenceFigures.byType(most, suffix));
        figures.add(InfluenceFigures.beforeAndAfter(most, suffix));
        figures.add(InfluenceFigures.bySite(most, suffix));
        figures.add(CurveFigures.influence(most, suffix));
        figures.add(VariantFigures.text(most, suffix));
        figures.add(CurveFigures.losses(most, suffix));
        figures.add(VariantFigures.cost(most, suffix));
        figures.add(GridFigures.sites(study, suffix));
        figures.add(GridFigures.fixedRates(study, suffix));
        figures.add(CurveFigures.sequence(study, suffix));
        return figures;
    }
}
