/**
 * Training data: records read from files, encoded as token ids, put in batches.
 *
 * <p>Knows no model folder and no tokenizer library; an {@link dev.lethe.data.Encoder} takes the tokenizer as a function.
 * It may import {@code dev.lethe.engine}, Jackson and the JDK. Everything here is immutable once read and safe to share
 * between threads. Input that cannot be used is {@link dev.lethe.base.BadInputException} naming {@code file:line}.
 */
package dev.lethe.data;

