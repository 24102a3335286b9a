/**
 * Removes chosen training records from a language model and shows that they are gone. The way in is {@link dev.lethe.Lethe};
 * docs/embedding.md has a whole program. Start Java with {@code --enable-native-access=dev.lethe}.
 */
module dev.lethe {
    exports dev.lethe;
    exports dev.lethe.data;
    exports dev.lethe.find;
    exports dev.lethe.proof;
    exports dev.lethe.results;
    exports dev.lethe.settings;
    exports dev.lethe.shape;

    requires java.desktop; // pictures of reports
    requires java.logging;
    requires static java.compiler; // an annotation on the pages' generated classes
    requires jdk.jfr;
    requires jdk.management;
    requires com.fasterxml.jackson.annotation;
    requires tools.jackson.databind;
    requires com.ibm.icu;
    requires org.apache.lucene.core;
    requires org.apache.lucene.analysis.icu;
    requires gg.jte.runtime;
    requires jtokkit;
    requires ai.djl.api;
    requires ai.djl.tokenizers;
    requires org.slf4j; // by DJL, which describes no module and so cannot say it
    requires static org.jspecify;
    requires static jinjava; // chat templates alone
    requires static info.picocli; // the command alone
    requires static com.networknt.schema; // lethe experiment alone

    uses dev.lethe.influence.RowSource;

    // Their records are written as JSON.
    opens dev.lethe.base to tools.jackson.databind;
    opens dev.lethe.chart to tools.jackson.databind;
    opens dev.lethe.cli to info.picocli, tools.jackson.databind;
    opens dev.lethe.console to info.picocli, tools.jackson.databind;
    opens dev.lethe.data to tools.jackson.databind;
    opens dev.lethe.engine to tools.jackson.databind;
    opens dev.lethe.erase to tools.jackson.databind;
    opens dev.lethe.eval to tools.jackson.databind;
    opens dev.lethe.experiment to info.picocli, tools.jackson.databind;
    opens dev.lethe.find to tools.jackson.databind;
    opens dev.lethe.influence to tools.jackson.databind;
    opens dev.lethe.ledger to tools.jackson.databind;
    opens dev.lethe.metric to tools.jackson.databind;
    opens dev.lethe.model to tools.jackson.databind;
    opens dev.lethe.natives to tools.jackson.databind;
    opens dev.lethe.objective to tools.jackson.databind;
    opens dev.lethe.page to tools.jackson.databind;
    opens dev.lethe.proof to tools.jackson.databind;
    opens dev.lethe.prove to tools.jackson.databind;
    opens dev.lethe.report to tools.jackson.databind;
    opens dev.lethe.results to tools.jackson.databind;
    opens dev.lethe.run to tools.jackson.databind;
    opens dev.lethe.settings to tools.jackson.databind;
    opens dev.lethe.shape to tools.jackson.databind;
    opens dev.lethe.spec to tools.jackson.databind;
    opens dev.lethe.strategy to tools.jackson.databind;
    opens dev.lethe.sweep to tools.jackson.databind;
    opens dev.lethe.template to tools.jackson.databind, jinjava; // which calls functions of templates
    opens dev.lethe.text to tools.jackson.databind;
    opens dev.lethe.train to tools.jackson.databind;
}
