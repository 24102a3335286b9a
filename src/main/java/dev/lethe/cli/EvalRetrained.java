package dev.lethe.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.eval.Evaluation;
import dev.lethe.eval.ForgetQuality;
import dev.lethe.eval.MembershipInference;
import dev.lethe.eval.PrivacyLeak;
import dev.lethe.eval.TofuScores;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A model measured against one that was retrained without the forgotten records.
 *
 * @param forgetQuality absent without the forget set
 * @param membershipAuc of the retrained model, by attack; empty without non-members
 * @param privacyLeak   in percent, by attack
 */
record EvalRetrained(String run, double meanLoss,
                     @JsonInclude(JsonInclude.Include.NON_NULL) ForgetQuality forgetQuality,
                     Map<String, Double> membershipAuc, Map<String, Double> privacyLeak) {
    /**
     * @param mine        membership AUC of the model, by attack
     * @param evaluation  of the retrained model on the same records
     * @param attacks     on the retrained model
     * @param tofu        of the model and of the retrained one; null without the forget set
     */
    static EvalRetrained of(String run, Map<String, Double> mine, Evaluation evaluation,
                            List<MembershipInference.Result> attacks, TofuScores[] tofu) {
        Map<String, Double> auc = new LinkedHashMap<>();
        Map<String, Double> leak = new LinkedHashMap<>();
        for (MembershipInference.Result attack : attacks) {
            auc.put(attack.attack(), attack.auc());
            leak.put(attack.attack(), PrivacyLeak.percent(mine.get(attack.attack()), attack.auc()));
        }
        ForgetQuality quality = tofu == null ? null : tofu[0].forgetQuality(tofu[1]);
        return new EvalRetrained(run, evaluation.meanLoss(), quality, auc, leak);
    }

    void print(Terminal terminal) {
        terminal.print("%-32s %s", "retrained", run);
        terminal.print("%-32s %12.4f", "its mean token loss, nats", meanLoss);
        if (forgetQuality != null) {
            terminal.print("%-32s %12.4g", "forget quality, p", forgetQuality.pValue());
            terminal.print("%-32s %12.3f", "  distance D", forgetQuality.statistic());
            terminal.print("%-32s %12.3f", "  least D that shows at p < 0.05", forgetQuality.leastSignificant());
        }
        privacyLeak.forEach((attack, percent) -> terminal.print("%-32s %12.1f", "privacy leak %, " + attack, percent));
    }
}
