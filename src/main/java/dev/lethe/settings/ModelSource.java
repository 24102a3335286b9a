/*
 * Where a training's weights come from: a Hugging Face folder, a new adapter on one, or a new model of a given shape. Loading itself
 * is the model package's.
 */
package dev.lethe.settings;

import dev.lethe.base.BadInputException;
import dev.lethe.shape.ModelShape;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A checkpoint folder, a new adapter on one, or a fresh shape. Immutable, any thread. */
public sealed interface ModelSource {

    /**
     * A Hugging Face model folder; its tokenizer is used and copied into the run.
     *
     * @param base of an adapter's folder, null for where that says
     * @param folder a Hugging Face model folder, or an adapter's
     */
    record Pretrained(Path folder, @Nullable Path base) implements ModelSource { }

    /**
     * A new adapter on a model folder, whose tokenizer is used and copied into the run.
     *
     * @param base a model folder
     * @param lora what is made
     */
    record Adapted(Path base, Lora lora) implements ModelSource { }

    /**
     * Random weights; {@code tokenizer} is a folder with tokenizer files, or null for GPT-2's own.
     *
     * @param shape of the model
     * @param tokenizer folder with tokenizer files, or null
     */
    record Fresh(ModelShape shape, @Nullable Path tokenizer) implements ModelSource { }

    /**
     * {@return a model as its folder has it, or an adapter on the base that its folder names}
     *
     * @param folder a Hugging Face model folder, or an adapter's
     */
    static Pretrained checkpoint(Path folder) {
        return new Pretrained(folder, null);
    }

    /**
     * {@return a model of random weights with GPT-2's tokenizer}
     *
     * @param shape of it
     */
    static ModelSource fresh(ModelShape shape) {
        return new Fresh(shape, null);
    }

    /**
     * Reads {@code KIND} or {@code KIND:layers=..,hidden=..,heads=..,kv=..,head=..,inner=..,ctx=..,vocab=..,tied,untied}; a kind
     * is gpt2, llama, qwen2, qwen3 or gpt_neox (pythia). What is left out is as in a GPT-2 of 124M: 12 layers, 768 wide, heads
     * of 64, context 1024, its vocabulary. {@code kv} heads of keys and values and {@code head} numbers of a head are llama's
     * and qwen's; their {@code inner} is 8/3 of the width, the others' 4 times it. The head is tied, but for gpt_neox.
     *
     * @param text as it is written
     * @return a fresh model
     * @throws BadInputException naming the part that is wrong
     */
    static ModelSource parse(String text) {
        return fresh(FreshShape.parse(text));
    }

    /**
     * {@return whether {@link #parse} is meant to read a text, which is no folder then}
     *
     * @param text as it is written
     */
    static boolean isFresh(String text) {
        return FreshShape.isMeant(text);
    }
}
