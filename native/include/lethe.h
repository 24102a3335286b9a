/*
 * lethe.h - the only door between the JVM and the native engine. Pure C11; jextract reads this file and no other.
 *
 * A language model of one of three families with hand-derived forward and backward passes over token-flat ("ragged") batches,
 * capture of every record's factored gradient in the same backward pass, arithmetic over captured entries, and parameter-space
 * vectors.
 * It holds no loops, schedules, files or policies: those are Java's.
 *
 * Shape letters: B records of a batch, T tokens of a record (sum T = tokens of the batch, flat), C channels,
 * V vocabulary, L layers, S sites, P flat size of the parameter buffer, N ledger entries.
 *
 * Rules
 *  - Every fallible function returns a lethe_status and takes a caller-supplied lethe_error last (NULL is allowed). The
 *    error is written only on failure. No exception, no abort and no output leaves this library.
 *  - One thread at a time a handle; different handles in parallel.
 *  - Every handle has one owner and is released by its _destroy, which takes NULL and cannot fail.
 *  - The library never keeps a caller's pointer after the call that received it. Sizes are checked before a pointer is
 *    read or written. Structs begin with struct_size = sizeof(the struct) as the caller compiled it.
 *  - `cancel` points to an int32 that another thread may set non-zero: the call then returns LETHE_CANCELLED soon. NULL
 *    means not cancellable. Outputs of a cancelled call are unspecified; the model's parameters are untouched by it.
 */
#ifndef LETHE_H
#define LETHE_H

#include <stdint.h>

#if defined(__GNUC__)
#define LETHE_API __attribute__((visibility("default")))
#else
#define LETHE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define LETHE_ABI_VERSION 7
#define LETHE_IGNORE_TARGET (-100) /* a position whose target is this carries no loss */

typedef int32_t lethe_status;
enum {
  LETHE_OK = 0,
  LETHE_INVALID_ARGUMENT = 1, /* an argument is out of range; the message names it, its value and what is allowed */
  LETHE_OUT_OF_MEMORY = 2,
  LETHE_UNSUPPORTED = 3, /* device, dtype or feature absent from this build or machine */
  LETHE_NOT_FINITE = 4,  /* a loss, gradient or factor is NaN or infinite; the message names where */
  LETHE_CANCELLED = 5,
  LETHE_DAMAGED = 6, /* a ledger entry does not parse */
  LETHE_INTERNAL = 70
};

enum { LETHE_F32 = 0, LETHE_F64 = 1, LETHE_F16 = 2, LETHE_BF16 = 3 }; /* dtype */
enum { LETHE_CPU = 0, LETHE_CUDA = 1 };                               /* device type */
enum {
  LETHE_ALLOW_TF32 = 1, /* fp32 products on a device may round their operands to 10 bits */
  LETHE_NO_GRAPHS = 2   /* a device runs every step kernel by kernel, never as a recorded graph */
};                      /* model options, bits */
enum { LETHE_RADEMACHER = 0, LETHE_NORMAL = 1 };                      /* distribution: +-1, N(0, 1) */
enum { LETHE_PARAMETERS = 0, LETHE_GRADIENT = 1, LETHE_MOMENT1 = 2, LETHE_MOMENT2 = 3 }; /* flat buffers of a model */
enum { LETHE_GPT2 = 0, LETHE_LLAMA = 1, LETHE_GPT_NEOX = 2 }; /* family: LETHE_LLAMA is Mistral's, Qwen2's and Qwen3's too */
enum { LETHE_GELU_TANH = 0, LETHE_GELU = 1, LETHE_RELU = 2, LETHE_SILU = 3, LETHE_TANH = 4 }; /* activation; GELU: exact */
enum { LETHE_ROTARY_PLAIN = 0, LETHE_ROTARY_LINEAR = 1, LETHE_ROTARY_LLAMA3 = 2 };            /* rotary scaling */
enum {
  LETHE_NO_QKV_BIAS = 1,       /* the site that makes queries, keys and values has no bias */
  LETHE_NO_OUTPUT_BIAS = 2,    /* nor has attention's output */
  LETHE_NO_MLP_BIAS = 4,       /* nor have the MLP's sites */
  LETHE_HEAD_NORM = 8,         /* LLAMA: RMS norm of each head's queries and keys, Qwen3's */
  LETHE_PARALLEL = 16,         /* GPT_NEOX: attention and MLP read the same residual stream */
  LETHE_UNSCALED_SCORES = 32,  /* scores are not divided by the root of the head size */
  LETHE_SCORES_BY_BLOCK = 64   /* scores of block l (0..L-1) are divided by l + 1 */
};                             /* block options, bits; 0 is GPT-2 as published */
enum {
  LETHE_SITE_EMBEDDING = 0, /* wte: scatter of the embedding-output gradient at the token ids */
  LETHE_SITE_POSITION = 1,  /* wpe */
  LETHE_SITE_NORM = 2,      /* layer or RMS norm: gradients of weight and, where there is one, bias, [outputs] each */
  LETHE_SITE_LINEAR = 3,    /* y = x W + b: weight [inputs, outputs], bias [outputs] where there is one */
  LETHE_SITE_HEAD = 4       /* lm_head: E^T H; the same tensor as wte when the head is tied */
};
enum {
  LETHE_ROLE_EMBEDDING = 0,
  LETHE_ROLE_POSITION = 1,
  LETHE_ROLE_NORM = 2,
  LETHE_ROLE_ATTENTION_INPUT = 3, /* makes queries, keys and values */
  LETHE_ROLE_ATTENTION_OUTPUT = 4,
  LETHE_ROLE_MLP_INPUT = 5,
  LETHE_ROLE_MLP_OUTPUT = 6,
  LETHE_ROLE_HEAD = 7
}; /* what a site is for, whatever a checkpoint calls it */

typedef struct lethe_error {
  int64_t struct_size;
  lethe_status status;
  int32_t reserved;
  char message[1024]; /* UTF-8, NUL-terminated */
} lethe_error;

typedef struct lethe_model lethe_model;   /* parameters, gradient, moments and workspace of one model on one device */
typedef struct lethe_base lethe_base;     /* frozen weights that models with adapters share */
typedef struct lethe_ring lethe_ring;     /* pinned host memory through which captures leave a device */
typedef struct lethe_vector lethe_vector; /* a vector in one model's parameter space, [P], the model's dtype */
typedef struct lethe_group lethe_group;   /* this process's place among those that train one model together */

/* ---- process ------------------------------------------------------------------------------------------------- */

typedef struct lethe_build {
  int64_t struct_size;
  char torch_version[64]; /* of the libtorch loaded now */
  char compiled_for[64];  /* of the libtorch compiled against */
  int32_t cuda_compiled;  /* 1 when this shim was built with CUDA */
  int32_t cuda_devices;   /* devices usable now */
  int32_t threads;        /* as loaded: of threads that lethe_set_threads has not told another number */
  int32_t reserved;
  char isa[16]; /* instruction set of the CPU's loops: avx2, avx512, avx512_bf16 (at most LETHE_ISA of the environment), or
                   default elsewhere than on x86-64 */
} lethe_build;

LETHE_API int32_t lethe_abi_version(void);
LETHE_API int64_t lethe_live_handles(void); /* models and free vectors not yet destroyed, for leak tests */
LETHE_API lethe_status lethe_build_info(lethe_build *out, lethe_error *err);
/* Threads that later calls on the calling thread take, 1..1024; 0 = as many as when the library was loaded. */
LETHE_API lethe_status lethe_set_threads(int32_t threads, lethe_error *err);

typedef struct lethe_device {
  int64_t struct_size;
  char name[128];
  int64_t total_bytes;
  int64_t free_bytes; /* now */
  int32_t capability; /* 90 = compute capability 9.0 */
  int32_t usable;     /* 1 when this build has kernels for it */
  int32_t driver;     /* CUDA version the driver supports, 13000 = 13.0 */
  int32_t runtime;    /* CUDA version of the runtime in use */
} lethe_device;

/* CUDA device `index`. LETHE_UNSUPPORTED says why there is none: no driver, an older one than the runtime, a build or a
 * libtorch without CUDA. */
LETHE_API lethe_status lethe_device_info(int32_t index, lethe_device *out, lethe_error *err);

/* ---- model --------------------------------------------------------------------------------------------------- */

/* A LoRA adapter (Hu et al. 2021) on one linear module of a frozen base: y = x W + b + scale * (x A) B, A [inputs, rank]
 * and B [rank, outputs]; in files, peft's, lora_A.weight is A transposed and lora_B.weight B transposed. */
typedef struct lethe_adapted {
  int64_t struct_size;
  char module[64]; /* the name of the module's weight without ".weight": "layers.0.self_attn.q_proj", "h.0.attn.c_attn" */
  int64_t rank;    /* 1..min(inputs, outputs) */
  double scale;    /* alpha / rank, or alpha / sqrt(rank) with rank-stabilised LoRA */
} lethe_adapted;

/* All zero from `options` on is a GPT-2 as published. */
typedef struct lethe_model_config {
  int64_t struct_size;
  int64_t vocabulary; /* V, rows of the token table */
  int64_t context;    /* rows of learned positions; no record may be longer */
  int64_t channels;   /* C, divisible by heads where head_size is 0 */
  int64_t heads;
  int64_t layers; /* L */
  int64_t inner;  /* width of the MLP, 4C in GPT-2 */
  double norm_epsilon; /* of every norm */
  int32_t tied_head; /* 1: lm_head shares wte */
  int32_t dtype;     /* LETHE_F32 | LETHE_F64 */
  int32_t device_type;
  int32_t device_index;
  int32_t compute_dtype; /* 0: as dtype. LETHE_BF16, F32 models only: activations and the operands of matrix products in
                            bf16; parameters, gradient, moments, statistics and losses stay fp32 or better. On the CPU,
                            where AVX-512 BF16 is needed, only the products' operands are rounded */
  int32_t options;       /* bits of LETHE_ALLOW_TF32, LETHE_NO_GRAPHS */
  int32_t family;        /* LETHE_GPT2... */
  int32_t activation;    /* LETHE_GELU_TANH...; a LLAMA's MLP is activation(gate) * up */
  int32_t block_options; /* bits of LETHE_NO_QKV_BIAS... */
  int32_t rotary_scaling;
  int64_t kv_heads;    /* heads of keys and values, a divisor of heads; 0 = heads */
  int64_t head_size;   /* 0 = C / heads */
  int64_t rotary_size; /* numbers of a head that turn with the position, even; 0 = none */
  double rotary_base;
  double rotary_factor;      /* LINEAR and LLAMA3: how much longer the context is made */
  double rotary_low_factor;  /* LLAMA3 */
  double rotary_high_factor;
  int64_t rotary_old_context; /* LLAMA3: positions that the model was first trained with */
  const lethe_adapted *adapted; /* in [adapted_count]: with any, the adapters are all of the model's parameters; its other
                                   tensors are the base's, frozen, and have no gradient, moments or entries */
  int64_t adapted_count;
  lethe_base *base; /* of lethe_model_create with adapters, which shares it; not read elsewhere */
} lethe_model_config;

typedef struct lethe_layout {
  int64_t struct_size;
  int64_t tensors;    /* parameter tensors */
  int64_t sites;      /* S: token table, learned positions where there are, every block's norms and linear layers, final norm, head */
  int64_t parameters; /* trainable numbers, padding not counted */
  int64_t flat_size;  /* P: elements of a flat buffer; every tensor starts at a multiple of 16 elements, gaps are zero */
} lethe_layout;

typedef struct lethe_tensor_info {
  int64_t struct_size;
  char name[64];  /* a checkpoint's, without the family's prefix: "h.0.attn.c_attn.weight", "layers.0.mlp.up_proj.weight" */
  int64_t offset; /* first element in the flat buffer; -1 for a frozen tensor, which is in none */
  int64_t rows;   /* of a matrix, row-major; 1 for a vector */
  int64_t columns;
  int32_t dimensions; /* 1 or 2; weight decay applies to 2 */
  int32_t site;       /* index of the site that owns it (the token table for a tied head); a site may own several */
} lethe_tensor_info;

typedef struct lethe_site_info {
  int64_t struct_size;
  char name[64]; /* "wte", "h.3.mlp.c_fc", "layers.3.self_attn.qkv_proj" for q_proj, k_proj and v_proj */
  int32_t kind;  /* LETHE_SITE_* */
  int32_t role;  /* LETHE_ROLE_* */
  int64_t block; /* 0..L-1; -1 outside blocks */
  int64_t inputs; /* width of A; V for wte, context for wpe, C for a norm and for lm_head */
  int64_t outputs; /* width of G; V for lm_head */
  int32_t frozen;  /* 1: the base's; has no gradient, and no selection may hold it */
  int32_t reserved;
} lethe_site_info;

/* Where everything lies in a model of this configuration; none is made, and the device need not be there. `count` must be
 * the layout's number of tensors or sites; every element of out [count] has its struct_size set. */
LETHE_API lethe_status lethe_model_layout(const lethe_model_config *config, lethe_layout *out, lethe_error *err);
LETHE_API lethe_status lethe_model_tensors(const lethe_model_config *config, lethe_tensor_info *out, int64_t count,
                                           lethe_error *err);
LETHE_API lethe_status lethe_model_sites(const lethe_model_config *config, lethe_site_info *out, int64_t count,
                                         lethe_error *err);

/* Where a base's tensor lies in a file. */
typedef struct lethe_base_tensor {
  int64_t struct_size;
  const char *path; /* UTF-8 */
  int64_t offset;   /* bytes */
  int32_t dtype;    /* LETHE_F32 | LETHE_F16 | LETHE_BF16 */
  int32_t reserved;
} lethe_base_tensor;

/* Maps a model's tensors, in the order lethe_model_tensors gives for the config without adapters, row-major as it says.
 * On a CPU nothing but vectors is copied: products read the files' pages in the type they have. Files must not change
 * while a base is open. Its config's family, shape, dtype and device must be those of the models that share it. */
LETHE_API lethe_status lethe_base_open(const lethe_model_config *config, const lethe_base_tensor *tensors, int64_t count,
                                       lethe_base **out, lethe_error *err);
LETHE_API void lethe_base_close(lethe_base *base); /* models that share it keep what they need */

/* Parameters start at zero. Moments are allocated by the first lethe_model_adamw or lethe_model_vector that needs them. */
LETHE_API lethe_status lethe_model_create(const lethe_model_config *config, lethe_model **out, lethe_error *err);
LETHE_API void lethe_model_destroy(lethe_model *model);

/* Sizes of the largest batch of a training. */
typedef struct lethe_plan_request {
  int64_t struct_size;
  int64_t records;
  int64_t tokens;
  int64_t targets;
  int64_t capture_bytes; /* of its entries, 0 = no capture */
  int64_t ring_slots;    /* 0 = no ring */
} lethe_plan_request;

typedef struct lethe_plan {
  int64_t struct_size;
  int64_t parameters, gradient, moments; /* bytes */
  int64_t shadow;                        /* parameters in the compute type */
  int64_t activations;                   /* of the batch, what attention keeps included */
  int64_t head;                          /* logits of one chunk and the head's own rows */
  int64_t capture;                       /* entries on the device */
  int64_t total;                         /* of all above */
  int64_t ring;                          /* pinned host memory */
  int64_t available;                     /* free on the device now, or available on this machine */
  int64_t token_bytes;                   /* of total, what another token of this batch's kind takes */
  int64_t fitting_tokens;                /* of this kind that fit into available; 0 = not even the model does */
} lethe_plan;

/* What training a model takes, before it is made. Estimates: libraries' own workspaces are not known to it. */
LETHE_API lethe_status lethe_model_plan(const lethe_model_config *config, const lethe_plan_request *request,
                                        lethe_plan *out, lethe_error *err);

/* With adapters: A as peft makes it, uniform in +-1/sqrt(inputs), B zero. Matrices N(0, 0.02), a GPT-2's projections into the
 * residual stream N(0, 0.02 / sqrt(2L)), norms 1, biases 0. Seeded; the same numbers on every device and thread count. */
LETHE_API lethe_status lethe_model_initialize(lethe_model *model, uint64_t seed, lethe_error *err);

/* One of the model's own flat buffers, LETHE_PARAMETERS..., as a borrowed vector: what changes it changes the model, and the
 * same handle for a buffer each time. It counts as the model's handle in the thread rule and is valid until the model is
 * destroyed; lethe_vector_destroy leaves it alone. Moments that no step has made yet are made, as zeros. */
LETHE_API lethe_status lethe_model_vector(lethe_model *model, int32_t buffer, lethe_vector **out, lethe_error *err);

/* A base's weight with its adapter put in: W + scale * A B as a checkpoint has it, computed in fp32; `tensor` is its number in
 * lethe_model_tensors, of any frozen tensor (without an adapter it is copied). dtype: what to write. */
LETHE_API lethe_status lethe_model_merged(lethe_model *model, int64_t tensor, int32_t dtype, void *out, int64_t bytes,
                                          lethe_error *err);

/* ---- passes -------------------------------------------------------------------------------------------------- */

/* A ragged batch: the tokens of its records one after the other, no padding. targets[t] is the token to be predicted at
 * position t (already shifted), or LETHE_IGNORE_TARGET. A record's loss is the mean of -log p over its targets; a record
 * without targets has loss 0 and no gradient. */
typedef struct lethe_batch {
  int64_t struct_size;
  int64_t records;        /* B >= 1 */
  int64_t tokens_total;   /* sum T; must equal offsets[B] */
  const int64_t *offsets; /* in [B+1], offsets[0] = 0, strictly rising, no record longer than the context */
  const int32_t *tokens;  /* in [sum T], 0..V-1 */
  const int32_t *targets; /* in [sum T]; may be NULL for logits and generate */
  const double *weights;  /* in [B], not 0: the batch gradient is sum_b weights[b] * grad(mean loss of b); NULL = 1/B */
} lethe_batch;

/* Which gradients an entry holds and how. */
typedef struct lethe_entry_format {
  int64_t struct_size;
  const uint8_t *sites; /* in [site_count], 1 = held */
  int64_t site_count;   /* must equal S */
  int64_t head_top_k;   /* 0: the softmax error E exactly; k: its k largest magnitudes a token, the target always kept */
  int32_t dtype;        /* LETHE_F32 | LETHE_BF16, LETHE_F64 only for an F64 model */
  int32_t rank; /* 0: a linear site keeps a row a token; r: the best r rows of a longer record, error in the info */
} lethe_entry_format;

/* Where the entries of a batch's records go; entry b describes grad(mean loss of record b), whatever its weight. */
typedef struct lethe_capture {
  int64_t struct_size;
  const lethe_entry_format *format;
  void *const *destinations;  /* out [B], 64-byte aligned, each of capacities[b] bytes */
  const int64_t *capacities;  /* in [B], at least lethe_entry_bytes */
  lethe_ring *ring; /* NULL: the entries are there when the call returns. Else, for a model on a device: the call does not
                       wait for them and reads neither array above; lethe_ring_take hands the entries over */
} lethe_capture;

/* `slots` captures of up to slot_bytes each may be on their way from the model's device at once; a gradient call that finds
 * none free waits for lethe_ring_take in another thread. LETHE_UNSUPPORTED for a model on the CPU. */
LETHE_API lethe_status lethe_ring_create(lethe_model *model, int64_t slots, int64_t slot_bytes, lethe_ring **out,
                                         lethe_error *err);
LETHE_API void lethe_ring_destroy(lethe_ring *ring);
/* Waits for the oldest capture under way, finishes its entries where they came down and says where: entry b lies at
 * entries[b] (64-byte aligned), sizes[b] bytes (lethe_entry_bytes), until lethe_ring_release; when it fails, the slot is free.
 * One thread at a time takes and releases; another may run the model meanwhile. LETHE_NOT_FINITE says here what
 * lethe_model_gradient says without a ring. */
LETHE_API lethe_status lethe_ring_take(lethe_ring *ring, int64_t records, const void **entries, int64_t *sizes,
                                       lethe_error *err);
/* Frees the slot of the capture taken, or, when none is, drops the oldest under way. The slot is free even on failure. */
LETHE_API lethe_status lethe_ring_release(lethe_ring *ring, lethe_error *err);

/* What a position's prediction looked like; every array [sum T], NaN (hit: 0) where there is no target, NULL = not wanted. */
typedef struct lethe_token_scores {
  int64_t struct_size;
  double *log_probability;  /* log p(target) */
  double *mean;             /* E_v[log p(v)] under p, for Min-K%++ */
  double *deviation;        /* standard deviation of log p(v) under p */
  uint8_t *greedy_hit;      /* 1 when argmax is the target */
} lethe_token_scores;

/* Forward only. losses: out [B], mean loss of each record. scores may be NULL. */
LETHE_API lethe_status lethe_model_evaluate(lethe_model *model, const lethe_batch *batch, const lethe_token_scores *scores,
                                            double *losses, const int32_t *cancel, lethe_error *err);

/* Forward only. logits: out [sum T, V] in the model's dtype, `bytes` long. For parity tests. */
LETHE_API lethe_status lethe_model_logits(lethe_model *model, const lethe_batch *batch, void *logits, int64_t bytes,
                                          lethe_error *err);

/* Forward and backward. accumulate 0 overwrites the gradient buffer, 1 adds to it. capture may be NULL. losses: out [B].
 * activation_gradient: out [B, S] or NULL; sum over a record's tokens of <y, dL/dy> at each site's output y (the
 * activation-gradient product of Zagardo 2024), for the gradient of the record's own mean loss. */
LETHE_API lethe_status lethe_model_gradient(lethe_model *model, const lethe_batch *batch, int32_t accumulate,
                                            const lethe_capture *capture, double *losses, double *activation_gradient,
                                            const int32_t *cancel, lethe_error *err);

/* The three functions below are lethe_model_gradient for other losses, which no batch weights can make of its own.
 * reference: another model of the same shape and dtype on the same device; its workspace is used, nothing else of it
 * changes. */

/* Gradient of sum_b weights[b] * divergences[b]. divergences: out [B], the mean of KL(q || p) over record b's targets,
 * q the reference's prediction and p the model's: KL minimisation of Maini et al. 2024 (arXiv 2401.06121). Targets only
 * say which positions count. Its error at the logits is p - q, where lethe_model_gradient's is p minus one token. */
LETHE_API lethe_status lethe_model_kl_gradient(lethe_model *model, const lethe_batch *batch, lethe_model *reference,
                                               int32_t accumulate, double *divergences, const int32_t *cancel,
                                               lethe_error *err);

/* Gradient of sum_b weights[b] * distances[b]. distances: out [B], the mean of (h - t)^2 over all of record b's tokens,
 * those without a target too, and over channels; h is the residual stream after layer `layer`, 0..L-1, and t either
 * `target`, in [C], at every token, or the reference's h: the two losses of RMU (Li et al. 2024, arXiv 2403.03218).
 * Exactly one of target and reference is NULL; batch targets may be. Only the layers up to `layer` run; the gradient of
 * what lies above is zero. lethe_model_gradient's error begins at the logits and so cannot express it. */
LETHE_API lethe_status lethe_model_hidden_gradient(lethe_model *model, const lethe_batch *batch, int64_t layer,
                                                   const double *target, lethe_model *reference, int32_t accumulate,
                                                   double *distances, const int32_t *cancel, lethe_error *err);

enum {
  LETHE_NEXT_TOKEN = 0, /* -log p(target), lethe_model_gradient's */
  LETHE_TOWARD = 1,     /* KL(q || p), q the reference's prediction with `penalty` taken off the target's logit */
  LETHE_FLATNESS = 2    /* (largest logit - mean logit)^2 */
};                      /* kind of a target's loss */

typedef struct lethe_token_loss {
  int64_t struct_size;
  int32_t kind;            /* LETHE_NEXT_TOKEN... */
  int32_t accumulate;      /* 0 overwrites the gradient buffer, 1 adds to it */
  const double *weights;   /* in [sum T], finite, read where there is a target; NULL = 1 each */
  lethe_model *reference;  /* of TOWARD, as lethe_model_kl_gradient's; NULL for the others */
  double penalty;          /* of TOWARD, at least 0; UNDIAL's (Dong et al. 2024, arXiv 2402.10052). 0 for the others */
} lethe_token_loss;

/* Gradient of sum_b weights[b] * values[b]. values: out [B], the mean over record b's targets of each one's weight times
 * its loss. Batch weights scale whole records, so that no other function weighs tokens (WGA, SatImp, CE-U) or knows these
 * two losses (UNDIAL; PDU's, Entesari et al. 2025, arXiv 2506.05314). Of equal largest logits the first counts. */
LETHE_API lethe_status lethe_model_token_gradient(lethe_model *model, const lethe_batch *batch,
                                                  const lethe_token_loss *loss, double *values, const int32_t *cancel,
                                                  lethe_error *err);

typedef struct lethe_adamw {
  int64_t struct_size;
  double learning_rate, beta1, beta2, epsilon;
  double weight_decay;  /* decoupled; applied to 2-D tensors only */
  double max_norm;      /* gradient clipping by global norm as torch.nn.utils.clip_grad_norm_; 0 = off */
  int64_t step;         /* 1-based, for bias correction */
  const uint8_t *sites; /* in [S] or NULL = all: only the tensors of these sites move, and only they count for the norm */
} lethe_adamw;

/* One step from the gradient buffer, as torch.optim.AdamW. gradient_norm: out, before clipping; may be NULL. A gradient
 * that is not finite is LETHE_NOT_FINITE and nothing moves. Clipping leaves the gradient buffer as it is. */
LETHE_API lethe_status lethe_model_adamw(lethe_model *model, const lethe_adamw *options, double *gradient_norm,
                                         lethe_error *err);

typedef struct lethe_generation {
  int64_t struct_size;
  int64_t max_new_tokens; /* >= 1; prompt + new tokens beyond the context stop a record early */
  int64_t top_k;          /* 1 = greedy; 0 = the whole distribution */
  double temperature;     /* > 0; ignored by greedy */
  const uint64_t *seeds; /* [B], or NULL: 0 for each; a record's draws depend on its seed and its own prompt alone */
  int32_t stop_token; /* -1 = none; the stop token itself is not returned */
  int32_t reserved;
} lethe_generation;

/* Continues each record of the batch (targets ignored) with a key-value cache. tokens: out [B, max_new_tokens];
 * unused places -1; lengths: out [B], tokens produced for each record. */
LETHE_API lethe_status lethe_model_generate(lethe_model *model, const lethe_batch *prompts, const lethe_generation *options,
                                            int32_t *tokens, int64_t *lengths, const int32_t *cancel, lethe_error *err);

/* ---- vectors in parameter space ------------------------------------------------------------------------------- */

/* A free vector of zeros, which may outlive its model. */
LETHE_API lethe_status lethe_vector_create(const lethe_model *model, lethe_vector **out, lethe_error *err);
LETHE_API void lethe_vector_destroy(lethe_vector *vector);
/* y = b y + a x in one pass, on the tensors of `sites` [S] or on all when NULL; the others stay as they are. With b = 0
 * y is not read, so NaN is overwritten; with a = 0 x is not read and may be NULL. Copies, scales, clears and adds. On the
 * parameters b = 1 and a positive a along a gradient is ascent. */
LETHE_API lethe_status lethe_vector_combine(lethe_vector *y, double b, double a, const lethe_vector *x,
                                            const uint8_t *sites, lethe_error *err);
/* y = b y + a x^2, element by element: with gradients for x a running second moment, Adam's and the empirical Fisher's
 * diagonal. With b = 0 y is not read. */
LETHE_API lethe_status lethe_vector_add_square(lethe_vector *y, double b, double a, const lethe_vector *x, lethe_error *err);
/* y = y / (sqrt(v) + floor), element by element, on the tensors of `sites` [S] or on all when NULL; floor above 0, v without
 * negative numbers. Adam's preconditioner. */
LETHE_API lethe_status lethe_vector_divide_root(lethe_vector *y, const lethe_vector *v, double floor, const uint8_t *sites,
                                                lethe_error *err);
/* Every parameter drawn from a LETHE_RADEMACHER or LETHE_NORMAL distribution by its place alone: the same numbers for a
 * seed on every device, thread count and dtype (rounded to it). Gaps stay zero. */
LETHE_API lethe_status lethe_vector_random(lethe_vector *vector, int32_t distribution, uint64_t seed, lethe_error *err);
/* Dot product in fp64 with a fixed summation order; restricted to the tensors of `sites` [S] when not NULL. */
LETHE_API lethe_status lethe_vector_dot(const lethe_vector *a, const lethe_vector *b, const uint8_t *sites, double *out,
                                        lethe_error *err);
/* Copies `count` elements from flat position `offset` of a vector, converting between its dtype and `dtype`. `bytes` is the
 * size of the caller's memory and must be at least count * sizeof(dtype). The zero gaps between tensors cannot be written. */
LETHE_API lethe_status lethe_vector_read(const lethe_vector *vector, int64_t offset, int64_t count, int32_t dtype, void *out,
                                         int64_t bytes, lethe_error *err);
LETHE_API lethe_status lethe_vector_write(lethe_vector *vector, int64_t offset, int64_t count, int32_t dtype,
                                          const void *in, int64_t bytes, lethe_error *err);

/* ---- ranks ---------------------------------------------------------------------------------------------------- */

/* Joins the processes that a launcher (mpirun, srun) has started with this one. library: in, path of liblethe_mpi.so, which is
 * loaded now and needs MPI, so that this library never does. rank: out, 0..size-1. Once a process, for MPI begins once.
 * LETHE_UNSUPPORTED: that library, its MPI or the threads it must allow are not there. No other function speaks to another
 * process. Every rank calls the functions below in the same order; one that fails or is cancelled leaves a group that
 * refuses all but close. */
LETHE_API lethe_status lethe_group_open(const char *library, lethe_group **out, int32_t *rank, int32_t *size,
                                        lethe_error *err);
/* Waits for the other ranks' close, unless a call before has failed. */
LETHE_API void lethe_group_close(lethe_group *group);
/* vector = the sum over all ranks' vectors, which are of one shape, dtype and the host; the same bits on every rank. Added in the
 * vector's dtype, in an order that the number of ranks fixes. */
LETHE_API lethe_status lethe_group_sum(lethe_group *group, lethe_vector *vector, const int32_t *cancel, lethe_error *err);
/* out [size, bytes]: every rank's in [bytes], 1 byte or more, in the order of ranks. Also the barrier. */
LETHE_API lethe_status lethe_group_gather(lethe_group *group, const void *in, int64_t bytes, void *out, const int32_t *cancel,
                                          lethe_error *err);

/* ---- curvature ------------------------------------------------------------------------------------------------ */

enum { LETHE_HESSIAN = 0, LETHE_GAUSS_NEWTON = 1 }; /* kind of curvature */

/* Products of a curvature matrix with K vectors at once. L_b is record b's mean loss, z its logits as functions of the
 * parameters: the Hessian of b is d^2 L_b, its Gauss-Newton matrix J^T (d^2 L_b / dz^2) J with J = dz / d parameters. */
typedef struct lethe_curvature {
  int64_t struct_size;
  int32_t kind;       /* LETHE_HESSIAN | LETHE_GAUSS_NEWTON */
  int32_t accumulate; /* 0 overwrites products, zero where no site is chosen; 1 adds to them */
  int64_t count;      /* K, 1..1024; memory grows with it, the work on the values is done once */
  const lethe_vector *const *directions; /* in [K]: v_k */
  lethe_vector *const *products; /* out [K]: sum_b weights[b] C_b v_k; distinct, none a direction or the model's own
                                    parameters; NULL = not wanted */
  const uint8_t *sites; /* in [S] or NULL = all: v counts as zero elsewhere, and products hold these sites only */
  double *quadratic;    /* out [B, K]: v_k^T C_b v_k of each record, whatever its weight; NULL = not wanted */
} lethe_curvature;

/* Hessian- and Gauss-Newton-vector products (Pearlmutter 1994; Schraudolph 2002), and no other function gives second
 * derivatives. A tied table is two sites: wte alone is its use as embedding, lm_head alone its use as head, and the
 * table's whole block of C needs both. The gradient buffer is left as it is. losses: out [B]. Computed in the model's own
 * dtype, on a device too, whatever its compute dtype. */
LETHE_API lethe_status lethe_model_curvature(lethe_model *model, const lethe_batch *batch, const lethe_curvature *options,
                                             double *losses, const int32_t *cancel, lethe_error *err);

/* ---- Kronecker-factored curvature ------------------------------------------------------------------------------ */

/* K-FAC (Martens and Grosse 2015) and its eigenvalue-corrected form EK-FAC (George et al. 2018; Grosse et al. 2023) of a
 * data set's Fisher matrix F, block-diagonal over parameter tensors, in two streaming passes of constant memory:
 *   stage 0  accumulate sums covariances of A and G;  decompose makes eigenbases and Kronecker eigenvalues -> stage 1
 *   stage 1  usable as K-FAC; the next accumulate starts the second pass                                     -> stage 2
 *   stage 2  accumulate adds every record's squared gradient in the eigenbases; usable as EK-FAC at any time
 * Empirical: F = mean of g_i g_i^T, g_i the gradient of record i's mean token loss with its own targets. Sampled: targets
 * drawn from the model, F = mean of n_i g_i g_i^T with n_i targets, whose expectation is the Gauss-Newton matrix of the
 * mean of record losses. A linear site's block has the basis Q_A (x) Q_G over [inputs + 1, outputs], the last row its
 * bias; a table (wte, wpe, lm_head) is diagonal on the V or position side; a norm's weight and bias are diagonal. */
typedef struct lethe_kfac lethe_kfac;
enum { LETHE_FISHER_EMPIRICAL = 0, LETHE_FISHER_SAMPLED = 1 };
enum { LETHE_KFAC_COVARIANCE = 0, LETHE_KFAC_KRONECKER = 1, LETHE_KFAC_CORRECTED = 2 }; /* stage */

typedef struct lethe_kfac_options {
  int64_t struct_size;
  const uint8_t *sites; /* in [S]; a tied table is chosen by wte or lm_head, and always whole */
  int64_t site_count;   /* must equal S */
  int32_t fisher;       /* LETHE_FISHER_* */
  int32_t stage;        /* LETHE_KFAC_COVARIANCE, or that of numbers which lethe_kfac_write will bring */
  int64_t records;      /* 0, or what lethe_kfac_describe said with those numbers */
  uint64_t seed;        /* of sampled targets: a draw depends on it, the record's number and the position */
} lethe_kfac_options;

typedef struct lethe_kfac_info {
  int64_t struct_size;
  int64_t elements; /* that read and write move: bases and eigenvalues; of the model's dtype; meaningful from stage 1 on */
  int64_t records;  /* seen in this stage */
  int32_t stage;    /* LETHE_KFAC_* */
  int32_t reserved;
} lethe_kfac_info;

LETHE_API lethe_status lethe_kfac_create(const lethe_model *model, const lethe_kfac_options *options, lethe_kfac **out,
                                         lethe_error *err);
LETHE_API void lethe_kfac_destroy(lethe_kfac *kfac);
LETHE_API lethe_status lethe_kfac_describe(const lethe_kfac *kfac, lethe_kfac_info *out, lethe_error *err);
/* One forward and backward pass without weight gradients; the batch's weights do not matter. losses: out [B], of the
 * batch's own targets. The model's gradient buffer is unspecified afterwards. A pass that failed or was cancelled leaves
 * factors that refuse all but destroy. */
LETHE_API lethe_status lethe_kfac_accumulate(lethe_kfac *kfac, lethe_model *model, const lethe_batch *batch,
                                             double *losses, const int32_t *cancel, lethe_error *err);
LETHE_API lethe_status lethe_kfac_decompose(lethe_kfac *kfac, const int32_t *cancel, lethe_error *err);
/* out = (F + shift I)^power in, a block's shift = damping + relative * the mean of its eigenvalues; zero on tensors that
 * were not chosen. power -1 is the inverse. in and out may be one vector. */
LETHE_API lethe_status lethe_kfac_apply(const lethe_kfac *kfac, double damping, double relative, double power,
                                        const lethe_vector *in, lethe_vector *out, lethe_error *err);
LETHE_API lethe_status lethe_kfac_read(const lethe_kfac *kfac, int64_t offset, int64_t count, int32_t dtype, void *out,
                                       int64_t bytes, lethe_error *err);
LETHE_API lethe_status lethe_kfac_write(lethe_kfac *kfac, int64_t offset, int64_t count, int32_t dtype, const void *in,
                                        int64_t bytes, lethe_error *err);

/* ---- captured entries ------------------------------------------------------------------------------------------ */

/* N entries of one format, in caller memory (a mapped ledger), 64-byte aligned. */
typedef struct lethe_entries {
  int64_t struct_size;
  const lethe_entry_format *format;
  int64_t count;              /* N */
  const void *const *data;    /* in [N] */
  const int64_t *bytes;       /* in [N] */
} lethe_entries;

typedef struct lethe_entry_info {
  int64_t struct_size;
  int64_t tokens;   /* T */
  int64_t targets;  /* positions with a loss */
  int64_t head_top_k;
  double dropped_share; /* share of E's squared L2 norm that top-k dropped; 0 when exact */
  int32_t dtype;
  int32_t rank;           /* of the format; 0 when every token's row is kept */
  double truncated_share; /* share of the linear sites' squared gradient norm that the rank dropped; 0 when exact */
} lethe_entry_info;

/* Bytes of an entry of a record with `tokens` tokens of which `targets` have a loss; a multiple of 64. */
LETHE_API lethe_status lethe_entry_bytes(const lethe_model *model, const lethe_entry_format *format, int64_t tokens,
                                         int64_t targets, int64_t *out, lethe_error *err);
LETHE_API lethe_status lethe_entry_describe(const void *data, int64_t bytes, lethe_entry_info *out, lethe_error *err);
/* Token ids and targets of an entry, [tokens] each as lethe_entry_describe says; either pointer may be NULL. */
LETHE_API lethe_status lethe_entry_tokens(const void *data, int64_t bytes, int32_t *tokens, int32_t *targets,
                                          int64_t capacity, lethe_error *err);

/* vector += sum_i coefficients[i] * g_i on `sites` [S] (must be held; NULL = all held), one GEMM a linear site:
 * A_cat^T diag(c) G_cat. */
LETHE_API lethe_status lethe_entries_accumulate(lethe_model *model, const lethe_entries *entries, const double *coefficients,
                                                const uint8_t *sites, lethe_vector *vector, const int32_t *cancel,
                                                lethe_error *err);
/* out [M, N, S]: <g_i, v_m> site by site, 0 at sites not selected, for M vectors in one pass over the entries; no dense
 * g_i is made. For a tied head the rows of wte and lm_head are the two parts of one tensor's product; their sum is the
 * whole. vectors: in [M]. */
LETHE_API lethe_status lethe_entries_dot(lethe_model *model, const lethe_entries *entries, const uint8_t *sites,
                                         const lethe_vector *const *vectors, int64_t vector_count, double *out,
                                         const int32_t *cancel, lethe_error *err);
/* out [M, N, S]: <g_i, q_m> as lethe_entries_dot gives it, with the queries q_m [M] factored as the entries are: cheaper
 * than dense vectors when a query's tokens are few, and no query is made dense. Queries may be of another format, which
 * must hold every site in `sites` and both parts of a tied table when it holds one. queries NULL: out [N, S] becomes
 * <g_i, g_i> site by site. */
LETHE_API lethe_status lethe_entries_cross(lethe_model *model, const lethe_entries *entries, const lethe_entries *queries,
                                           const uint8_t *sites, double *out, const int32_t *cancel, lethe_error *err);
/* out [N, N]: <g_i, g_j> over `sites`, symmetric, cross terms of a tied head included. Uses about scratch_bytes of memory. */
LETHE_API lethe_status lethe_entries_gram(lethe_model *model, const lethe_entries *entries, const uint8_t *sites,
                                          int64_t scratch_bytes, double *out, const int32_t *cancel, lethe_error *err);
/* lethe_kfac_accumulate of the entries' records, from the rows that the entries keep: at the weights that they were captured at,
 * whatever the model's are. Entries must hold the chosen sites with a row a token; what a top-k head dropped counts as 0.
 * LETHE_FISHER_EMPIRICAL alone. */
LETHE_API lethe_status lethe_kfac_accumulate_entries(lethe_kfac *kfac, const lethe_model *model, const lethe_entries *entries,
                                                     const int32_t *cancel, lethe_error *err);

/* Eigen-decomposition of a symmetric [n, n] fp64 matrix. values: out [n] ascending. matrix: inout, row i becomes the
 * unit eigenvector of values[i]. */
LETHE_API lethe_status lethe_symmetric_eigen(int64_t n, double *matrix, double *values, lethe_error *err);

#ifdef __cplusplus
}
#endif
#endif /* LETHE_H */
