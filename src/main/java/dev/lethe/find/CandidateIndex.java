package dev.lethe.find;

import dev.lethe.base.Io;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Work;
import dev.lethe.text.Letters;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
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
import org.apache.lucene.index.MultiDocValues;
import org.apache.lucene.index.NumericDocValues;
import org.apache.lucene.index.Term;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.BoostQuery;
import org.apache.lucene.search.CollectorManager;
import org.apache.lucene.search.ConstantScoreQuery;
import org.apache.lucene.search.DisjunctionMaxQuery;
import org.apache.lucene.search.FuzzyQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.PrefixQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.Scorable;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.ScoreMode;
import org.apache.lucene.search.SimpleCollector;
import org.apache.lucene.search.TermInSetQuery;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.store.ByteBuffersDirectory;
import org.apache.lucene.util.BytesRef;
import org.apache.lucene.util.VectorUtil;

/**
 * Which records could be like a text: those that share a telling word with it, or one spelled nearly so. Every word tells
 * unless over 10,000 records and over a fifth of all have it; where all words are that common, any will do. The index
 * lives in memory only, for on disk it would be one more copy of personal data. Thread-safe once built.
 */
final class CandidateIndex implements AutoCloseable {
    private static final String SPACED = "words"; // apart, for the first is read whole and the second has many more terms
    private static final String UNSPACED = "rows of letters";
    private static final String ORDINAL = "ordinal";
    private static final String MEMORY = "an index in memory"; // which nothing can ail
    private static final int LONGEST_WORD = 255;   // Lucene refuses terms above 32,766 bytes; no word needs that
    private static final int MOST_QUERY_WORDS = 200; // rarest first; a record like the text shares some of them
    private static final int MOST_NEAR_WORDS = 12; // the longest; the rest is compared in the records they lead to
    private static final int MOST_NEAR_ROWS = 24; // of a word; Lucene takes 1,024 clauses in all
    private static final int MOST_NEAR = 200;
    private static final int COMMON = 10_000;
    private static final int COMMON_SHARE = 5;

    static {
        // At its first use Lucene logs that it computes with vectors faster under another option; no index here has any.
        Logger logger = Logger.getLogger("org.apache.lucene.internal.vectorization.VectorizationProvider");
        Level level = logger.getLevel();
        logger.setLevel(Level.SEVERE);
        try {
            VectorUtil.dotProduct(new float[1], new float[1]);
        } finally {
            logger.setLevel(level);
        }
    }

    private final ByteBuffersDirectory directory = new ByteBuffersDirectory();
    private final DirectoryReader reader;

    CandidateIndex(List<TextRecord> records) {
        FieldType type = new FieldType();
        type.setIndexOptions(IndexOptions.DOCS);
        type.setOmitNorms(true);
        type.freeze();
        Words spaced = new Words();
        Words unspaced = new Words();
        NumericDocValuesField ordinal = new NumericDocValuesField(ORDINAL, 0);
        Document document = new Document();
        document.add(new Field(SPACED, spaced, type));
        document.add(new Field(UNSPACED, unspaced, type));
        document.add(ordinal);
        try (IndexWriter writer = new IndexWriter(directory, new IndexWriterConfig().setRAMBufferSizeMB(128))) {
            for (int i = 0; i < records.size(); i++) {
                Work.check(Finder.INTERRUPTED);
                String[] words = TokenSet.of(records.get(i).text()).words;
                spaced.words = Arrays.stream(words).filter(word -> field(word) == SPACED).toArray(String[]::new);
                unspaced.words = Arrays.stream(words).filter(word -> field(word) == UNSPACED).toArray(String[]::new);
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
        return Io.disk(MEMORY, () -> new IndexSearcher(reader).search(any.build(), new HitsManager()));
    }

    /**
     * For each asked the positions of the records with the most letters of its words, near words included and no order
     * heeded: a record counts for each word the letters that its best one has in place. Every word of the index is
     * compared with it; unspaced letters count by their rows of every length.
     */
    List<int[]> nearest(List<Nearness> asked) {
        return Io.disk(MEMORY, () -> {
            Map<AskedWord, List<List<BytesRef>>> near = nearTerms(asked.stream().flatMap(CandidateIndex::words)
                    .filter(word -> field(word.folded) == SPACED).toList());
            List<int[]> nearest = new ArrayList<>();
            for (Nearness one : asked) {
                BooleanQuery.Builder most = new BooleanQuery.Builder();
                words(one).forEach(word -> most.add(inPlace(word, near.get(word)), BooleanClause.Occur.SHOULD));
                ScoreDoc[] best = new IndexSearcher(reader).search(most.build(), MOST_NEAR).scoreDocs;
                nearest.add(ordinals(Arrays.stream(best).mapToInt(hit -> hit.doc).sorted().toArray()));
            }
            return nearest;
        });
    }

    private static Stream<AskedWord> words(Nearness asked) {
        return asked.words().stream().limit(MOST_NEAR_WORDS);
    }

    /** The terms near each word, by their edits. */
    private Map<AskedWord, List<List<BytesRef>>> nearTerms(List<AskedWord> words) throws IOException {
        Map<AskedWord, List<List<BytesRef>>> near = new HashMap<>();
        words.forEach(word -> near.put(word, Stream.generate(() -> (List<BytesRef>) new ArrayList<BytesRef>())
                .limit(word.fewEdits() + 1L).toList()));
        for (LeafReaderContext leaf : reader.leaves()) {
            Terms all = leaf.reader().terms(SPACED);
            TermsEnum terms = all == null || words.isEmpty() ? TermsEnum.EMPTY : all.iterator();
            for (BytesRef term = terms.next(); term != null; term = terms.next()) {
                FoldedText spread = FoldedText.of(term.utf8ToString());
                for (AskedWord word : words) {
                    int edits = word.edits(spread);
                    if (edits <= word.fewEdits()) {
                        near.get(word).get(edits).add(BytesRef.deepCopyOf(term));
                    }
                }
            }
        }
        return near;
    }

    /** Scores the letters of a word that a record has in place. */
    private static Query inPlace(AskedWord word, List<List<BytesRef>> near) {
        if (near != null) {
            return new DisjunctionMaxQuery(IntStream.range(0, near.size()).mapToObj(
                    edits -> weighed(new TermInSetQuery(SPACED, near.get(edits)), word.letters - edits)).toList(), 0);
        }
        BooleanQuery.Builder rows = new BooleanQuery.Builder();
        for (String row : Arrays.stream(TokenSet.of(word.folded).words).limit(MOST_NEAR_ROWS).toList()) {
            for (int length = 1; length <= row.codePointCount(0, row.length()); length++) {
                Term start = term(row.substring(0, row.offsetByCodePoints(0, length)));
                rows.add(weighed(new PrefixQuery(start), length), BooleanClause.Occur.SHOULD);
            }
        }
        return rows.build();
    }

    private int[] ordinals(int[] docs) throws IOException {
        NumericDocValues values = MultiDocValues.getNumericValues(reader, ORDINAL);
        for (int i = 0; i < docs.length; i++) {
            values.advanceExact(docs[i]);
            docs[i] = (int) values.longValue();
        }
        return docs;
    }

    private static Query weighed(Query query, int weight) {
        return new BoostQuery(new ConstantScoreQuery(query), weight);
    }

    private static String field(String word) {
        return Letters.spaced(word.codePointAt(0)) ? SPACED : UNSPACED;
    }

    private static Term term(String word) {
        return new Term(field(word), word);
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
        return Io.disk(MEMORY, () -> reader.docFreq(term(word)));
    }

    /** Edits allowed in a word of the text: none in short words and numbers, where one changes the meaning. */
    static int edits(String word) {
        return word.length() < 5 || word.chars().anyMatch(Character::isDigit) ? 0 : word.length() < 9 ? 1 : 2;
    }

    private static Query near(String word) {
        Term term = term(word);
        return field(word) == UNSPACED ? new PrefixQuery(term)
                : edits(word) == 0 ? new TermQuery(term) : new FuzzyQuery(term, edits(word), 1);
    }

    @Override
    public void close() {
        Io.disk(MEMORY, () -> {
            reader.close();
            directory.close();
        });
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
