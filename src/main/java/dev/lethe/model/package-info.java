/**
 * Hugging Face model folders: config.json, safetensors weights, tokenizers.
 *
 * <p>Reads what others made as untrusted input: every size is checked before anything is allocated, copied or handed to
 * native code, and all problems of a file are reported at once as {@link dev.lethe.base.BadInputException}. Formats that
 * execute code on reading (pickle) are refused. It may import {@code dev.lethe.engine}, Jackson, the tokenizer libraries
 * and the JDK.
 */
package dev.lethe.model;

