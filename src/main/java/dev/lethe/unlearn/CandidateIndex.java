package dev.lethe.unlearn;

import dev.lethe.data.Record;
import dev.lethe.engine.Work;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.FieldType;
import org.apache.lucene.document.NumericDocValuesField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexOptions;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.NumericDocValues;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.CollectorManager;
import org.apache.lucene.search.FuzzyQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreMode;
import org.apache.lucene.search.Scorable;
import org.apache.lucene.search.SimpleCollector;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.store.ByteBuffersDirectory;

/**
 * Which records could be like a text: those that share a telling word with it, or one spelled nearly so. Every word tells
 * unless over 10,000 records and over a fifth of all have it; where all words are that common, any will do. The index
 * lives in memory only, for on disk it would be one more copy of personal data. Thread-safe once built.
 */
final class CandidateIndex implements AutoCloseable {
    private static final String FIELD = "words";
    private static final String ORDINAL = "ordinal";
    private static final int LONGEST_WORD = 255;   // Lucene refuses terms above 32,766 bytes; no word needs that
    private static final int MOST_QUERY_WORDS = 200; // rarest first; a record like the text shares some of them
    private static final int COMMON = 10_000;
    private static final int COMMON_SHARE = 5;

    private final ByteBuffersDirectory directory = new ByteBuffersDirectory();
    private final DirectoryReader reader;

    CandidateIndex(List<Record> records) {
        FieldType type = new FieldType();
        type.setIndexOptions(IndexOptions.DOCS);
        type.setOmitNorms(true);
        type.freeze();
        Words stream = new Words();
        Field words = new Field(FIELD, stream, type);
        NumericDocValuesField ordinal = new NumericDocValuesField(ORDINAL, 0);
        Document document = new Document();
        document.add(words);
        document.add(ordinal);
        try (IndexWriter writer = new IndexWriter(directory, new IndexWriterConfig().setRAMBufferSizeMB(128))) {
            for (int i = 0; i < records.size(); i++) {
                Work.check(Finder.INTERRUPTED);
                stream.words = TokenSet.of(records.get(i).text()).words;
                ordinal.setLongValue(i);
                writer.addDocument(document);
            }
            reader = DirectoryReader.open(writer);
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    /** Positions of the records that could be like the text, in no particular order. */
    int[] candidates(TokenSet text) {
        List<String> words = telling(text);
        BooleanQuery.Builder any = new BooleanQuery.Builder();
        words.forEach(word -> any.add(near(word), BooleanClause.Occur.SHOULD));
        try {
            return new IndexSearcher(reader).search(any.build(), new HitsManager());
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    private List<String> telling(TokenSet text) {
        List<String> words = new ArrayList<>(List.of(text.words));
        words.removeIf(word -> word.length() > LONGEST_WORD);
        words.sort(Comparator.comparingInt(this::frequency));
        int common = Math.max(COMMON, reader.numDocs() / COMMON_SHARE);
        List<String> rare = words.stream().filter(word -> frequency(word) <= common).toList();
        List<String> chosen = rare.isEmpty() ? words : rare;
        return chosen.subList(0, Math.min(chosen.size(), MOST_QUERY_WORDS));
    }

    private int frequency(String word) {
        try {
            return reader.docFreq(new Term(FIELD, word));
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    /** Edits allowed in a word of the text: none in short words and numbers, where one changes the meaning. */
    static int edits(String word) {
        return word.length() < 5 || word.chars().anyMatch(Character::isDigit) ? 0 : word.length() < 9 ? 1 : 2;
    }

    private static Query near(String word) {
        Term term = new Term(FIELD, word);
        return edits(word) == 0 ? new TermQuery(term) : new FuzzyQuery(term, edits(word), 1);
    }

    @Override
    public void close() {
        try {
            reader.close();
            directory.close();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    private static final class HitsManager implements CollectorManager<Hits, int[]> {
        @Override
        public Hits newCollector() {
            return new Hits();
        }

        @Override
        public int[] reduce(Collection<Hits> parts) {
            return parts.stream().flatMapToInt(hits -> Arrays.stream(hits.ordinals, 0, hits.count)).toArray();
        }
    }

    /** Collects every hit without scoring or sorting it. */
    private static final class Hits extends SimpleCollector {
        int[] ordinals = new int[64];
        int count;
        private NumericDocValues values;

        @Override
        protected void doSetNextReader(LeafReaderContext context) throws IOException {
            values = context.reader().getNumericDocValues(ORDINAL);
        }

        @Override
        public void setScorer(Scorable scorer) {
            // no scores wanted
        }

        @Override
        public void collect(int doc) throws IOException {
            values.advanceExact(doc);
            ordinals = count == ordinals.length ? Arrays.copyOf(ordinals, 2 * count) : ordinals;
            ordinals[count++] = (int) values.longValue();
        }

        @Override
        public ScoreMode scoreMode() {
            return ScoreMode.COMPLETE_NO_SCORES;
        }
    }

    /** Hands ready-made words to Lucene. */
    private static final class Words extends TokenStream {
        private final CharTermAttribute term = addAttribute(CharTermAttribute.class);
        String[] words = {};
        private int next;

        @Override
        public void reset() {
            next = 0;
        }

        @Override
        public boolean incrementToken() {
            while (next < words.length && words[next].length() > LONGEST_WORD) {
                next++;
            }
            if (next == words.length) {
                return false;
            }
            clearAttributes();
            term.append(words[next++]);
            return true;
        }
    }
}
