package dev.lethe.bench;

import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.find.Finder;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.model.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How long do text and matching take? The demo's 120 records, and 4,080 made from them by numbering the subjects. encode:
 * the text of all 120 into GPT-2's ids; decode: back. Finding one record among 4,080 by id, subject, exact words and
 * likeness of words; the index for likeness is built before.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class TextBench {
    private static final int COPIES = 34;

    private Tokenizer tokenizer;
    private String text;
    private int[] ids;
    private Finder finder;
    private TextRecord wanted;

    /** Reads the records and builds the index. */
    @Setup
    public void open() {
        Path people = Path.of(System.getProperty("lethe.root", "."), "src/main/resources/dev/lethe/demo/people.jsonl");
        List<TextRecord> records = Dataset.read(people).records();
        tokenizer = Tokenizer.gpt2();
        StringBuilder all = new StringBuilder();
        List<TextRecord> many = new ArrayList<>();
        for (TextRecord record : records) {
            all.append(record.text()).append('\n');
            for (int copy = 0; copy < COPIES; copy++) {
                many.add(new TextRecord(record.id() + "-" + copy, record.subject() + "-" + copy, record.prompt(),
                        record.completion() + " It was in the year " + (1900 + copy) + "."));
            }
        }
        text = all.toString();
        ids = tokenizer.encode(text);
        finder = new Finder(many);
        finder.prepare();
        wanted = many.get(many.size() / 2);
    }

    @TearDown
    public void close() {
        finder.close();
        tokenizer.close();
    }

    /** Characters of the text, to turn times into rates. */
    public int characters() {
        return text.length();
    }

    @Benchmark
    public int[] encode() {
        return tokenizer.encode(text);
    }

    @Benchmark
    public String decode() {
        return tokenizer.decode(ids);
    }

    @Benchmark
    public ForgetSet findId() {
        return finder.find(Query.ids(List.of(wanted.id())));
    }

    @Benchmark
    public ForgetSet findSubject() {
        return finder.find(Query.subject(wanted.subject()));
    }

    @Benchmark
    public ForgetSet findText() {
        return finder.find(Query.text(wanted.completion()));
    }

    @Benchmark
    public ForgetSet findFuzzy() {
        return finder.find(Query.fuzzy(wanted.completion(), 85));
    }
}
