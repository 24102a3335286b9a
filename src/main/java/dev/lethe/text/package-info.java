/**
 * Records as a model and as a reader take them: encoded as token ids and put in batches; folded, and compared for copies.
 *
 * <p>Knows no tokenizer library; an {@link dev.lethe.text.Encoder} takes the tokenizer as a function. May import data, engine and
 * settings. Immutable once made, any thread.
 */
package dev.lethe.text;
