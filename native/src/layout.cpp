// The table of sites, their parts and tensors, in the order of the steps.
#include "layout.h"

#include <cmath>
#include <limits>

#include "guard.h"

namespace lethe {
namespace {

// Room for index arithmetic: no tensor of a sane model reaches it, and products of two stay below 2^63.
constexpr int64_t kLargest = int64_t{1} << 31;

// Everything that is wrong with a shape, each with what is allowed.
class Problems {
 public:
  template <class... Part>
  void unless(bool holds, const Part&... parts) {
    if (!holds) (text_ << ... << parts) << "; ";
  }
  void positive(int64_t value, const char* name) {
    unless(value >= 1 && value < kLargest, name, " is ", value, ", allowed 1 to 2^31 - 1");
  }
  void refuse_any() const {
    const std::string text = text_.str();
    require(text.empty(), "no such model: ", text.substr(0, text.empty() ? 0 : text.size() - 2));
  }

 private:
  std::ostringstream text_;
};

void check_rotary(const Rotary& r, int64_t head, Problems& problems) {
  problems.unless(r.size >= 0 && r.size % 2 == 0 && r.size <= head, "rotary size is ", r.size,
                  ", allowed even numbers up to the head size ", head);
  problems.unless(std::isfinite(r.base) && r.base > 0, "rotary base is ", r.base, ", must be positive");
  problems.unless(std::isfinite(r.factor) && r.factor >= 1, "rotary factor is ", r.factor, ", must be 1 or more");
  if (r.scaling == Scaling::kNone) {
    problems.unless(r.factor == 1, "rotary factor is ", r.factor, " without a scaling");
  } else if (r.scaling == Scaling::kLlama3) {
    problems.unless(r.low_factor > 0 && r.high_factor > r.low_factor && std::isfinite(r.high_factor),
                    "rotary low and high factor are ", r.low_factor, " and ", r.high_factor,
                    ", must be positive, the second larger");
    problems.positive(r.old_context, "rotary old context");
  } else {
    problems.unless(r.scaling == Scaling::kLinear, "rotary scaling is ", static_cast<int>(r.scaling),
                    ", allowed 0 (none), 1 (linear) and 2 (llama3)");
  }
}

// What only some families can be.
void check_family(const Shape& shape, Problems& problems) {
  const bool gpt2 = shape.family == Family::kGpt2, neox = shape.family == Family::kNeox;
  problems.unless(gpt2 || neox || shape.family == Family::kLlama, "family is ", static_cast<int>(shape.family),
                  ", allowed 0 (gpt2), 1 (llama) and 2 (gpt_neox)");
  problems.unless(!gpt2 || shape.rotary.size == 0, "gpt2 has learned positions, rotary size must be 0");
  problems.unless(gpt2 || (!shape.unscaled_scores && !shape.scores_by_block), "only gpt2 scales its scores otherwise");
  problems.unless(shape.family == Family::kLlama || !shape.head_norm, "only llama has a norm of queries and keys");
  problems.unless(neox || !shape.parallel, "only gpt_neox has attention and MLP side by side");
  problems.unless(!neox || shape.key_heads() == shape.heads, "gpt_neox has as many kv_heads as heads");
  const auto activation = static_cast<int>(shape.activation);
  problems.unless(activation >= 0 && activation <= static_cast<int>(Activation::kTanh), "activation is ", activation,
                  ", allowed 0 (tanh GELU), 1 (GELU), 2 (ReLU), 3 (SiLU) and 4 (tanh)");
}

const Shape& checked_shape(const Shape& shape) {
  Problems problems;
  problems.positive(shape.vocabulary, "vocabulary");
  problems.positive(shape.context, "context");
  problems.positive(shape.channels, "channels");
  problems.positive(shape.heads, "heads");
  problems.positive(shape.layers, "layers");
  problems.positive(shape.inner, "inner");
  problems.unless(shape.layers <= 10000, "layers is ", shape.layers, ", allowed up to 10000");
  problems.unless(shape.heads < 1 || shape.head != 0 || shape.channels % shape.heads == 0, "channels ", shape.channels,
                  " is not divisible by heads ", shape.heads);
  problems.unless(shape.head >= 0 && shape.head < kLargest, "head size is ", shape.head,
                  ", allowed 0 (channels / heads) to 2^31 - 1");
  problems.unless(shape.kv_heads >= 0 && (shape.kv_heads == 0 || shape.heads % shape.kv_heads == 0), "kv_heads is ",
                  shape.kv_heads, ", must divide heads ", shape.heads);
  problems.unless(shape.epsilon > 0 && std::isfinite(shape.epsilon), "norm_epsilon is ", shape.epsilon,
                  ", must be positive");
  if (shape.heads > 0 && shape.channels > 0) {
    check_rotary(shape.rotary, shape.head_size(), problems);
    const __int128 widest = static_cast<__int128>(shape.heads + 2 * shape.key_heads()) * shape.head_size();
    problems.unless(widest < kLargest, "a row of queries, keys and values has more than 2^31 numbers");
    problems.unless(shape.inner < kLargest / 2, "inner is ", shape.inner, ", allowed up to 2^30");
  }
  check_family(shape, problems);
  problems.refuse_any();
  return shape;
}

// A linear step of a block by its neighbours: it reads what attention or an activation made, or makes what one of them
// reads, norms and turns in between.
int32_t role_of(const Architecture& a, const Step& linear) {
  for (const Step& step : a.steps) {
    if (step.out != linear.in) continue;
    if (step.op == Op::kAttention) return LETHE_ROLE_ATTENTION_OUTPUT;
    if (step.op == Op::kActivation) return LETHE_ROLE_MLP_OUTPUT;
  }
  std::vector<int> reached{linear.out};
  for (size_t i = 0; i < reached.size(); ++i) {
    for (const Step& step : a.steps) {
      if (step.in != reached[i] || step.op == Op::kLinear) continue;
      if (step.op == Op::kAttention) return LETHE_ROLE_ATTENTION_INPUT;
      if (step.op == Op::kActivation) return LETHE_ROLE_MLP_INPUT;
      if (step.out != step.in) reached.push_back(step.out);
    }
  }
  refuse(LETHE_INTERNAL, "a linear step of a block belongs neither to attention nor to the MLP");
}

}  // namespace

Layout::Layout(const Shape& shape) : Layout(shape, architecture_of(checked_shape(shape))) {}

Layout::Layout(const Shape& shape, Architecture architecture) : shape_(shape), architecture_(std::move(architecture)) {
  const Architecture& a = architecture_;
  const int64_t c = shape.channels;
  const auto add_table = [&](const std::string& name, int64_t rows) {
    add_part({{name + ".weight", c}}, rows, 2, false);
  };
  add_site(a.embedding, LETHE_SITE_EMBEDDING, shape.vocabulary, c, LETHE_ROLE_EMBEDDING);
  add_table(a.embedding, shape.vocabulary);
  if (!a.positions.empty()) {
    add_site(a.positions, LETHE_SITE_POSITION, shape.context, c, LETHE_ROLE_POSITION);
    add_table(a.positions, shape.context);
  }
  for (int64_t l = 0; l < shape.layers; ++l) {
    first_site_.push_back(site_count());
    for (const Step& step : a.steps_of(l))
      if (step.op == Op::kNorm || step.op == Op::kLinear || step.op == Op::kHeadNorm)
        add_step(step, l, a.sites_of(l)[static_cast<size_t>(step.site)]);
  }
  first_site_.push_back(site_count());
  add_step(a.tail.front(), -1, a.tail_site);
  const int64_t head = add_site(a.head, LETHE_SITE_HEAD, c, shape.vocabulary, LETHE_ROLE_HEAD);
  if (shape.tied) {
    weight_of_[static_cast<size_t>(head)] = weight_of(embedding_site());
  } else {
    add_table(a.head, shape.vocabulary);
  }
}

int64_t Layout::add_site(std::string name, int32_t kind, int64_t inputs, int64_t outputs, int32_t role) {
  sites_.push_back({std::move(name), kind, inputs, outputs, role});
  sites_.back().frozen = adapted();
  weight_of_.push_back(-1);
  bias_of_.push_back(-1);
  return site_count() - 1;
}

void Layout::add_part(const std::vector<Piece>& pieces, int64_t rows, int32_t dimensions, bool turned) {
  const int64_t site = site_count() - 1, first = static_cast<int64_t>(tensors_.size());
  const bool frozen = sites_.back().frozen;
  int64_t columns = 0, at = flat_size_;
  for (const Piece& piece : pieces) columns += piece.outputs;
  const int64_t count = rows * columns;
  require(flat_size_ < std::numeric_limits<int64_t>::max() / 64 - count, "no such model: too many parameters");
  for (const Piece& piece : pieces) {
    const int64_t height = turned ? piece.outputs : rows, width = turned ? rows : piece.outputs;
    tensors_.push_back({piece.name, frozen ? -1 : at, height, width, dimensions, site});
    at += height * width;
  }
  (weight_of(site) < 0 ? weight_of_ : bias_of_)[static_cast<size_t>(site)] = static_cast<int64_t>(parts_.size());
  parts_.push_back({frozen ? -1 : flat_size_, rows, columns, dimensions, site, turned, first});
  (frozen ? frozen_ : parameters_) += count;
  if (frozen) return;
  flat_size_ += (count + kAlignment - 1) / kAlignment * kAlignment;
}

void Layout::add_step(const Step& step, int64_t block, const BlockSite& what) {
  const std::string prefix = block < 0 ? "" : architecture_.block + std::to_string(block) + ".";
  const bool linear = step.op == Op::kLinear;
  const int64_t number = block < 0 ? shape_.layers : block;
  int64_t inputs = architecture_.slot(number, step.in).width;
  int64_t outputs = step.width > 0 ? step.width : architecture_.slot(number, step.out).width;
  if (step.op == Op::kHeadNorm) inputs = outputs = 2 * architecture_.qkv.d;
  const auto tensors = [&](const char* suffix) {
    std::vector<Piece> named = what.pieces;
    if (named.empty()) named.push_back({what.name, outputs});
    for (Piece& piece : named) piece.name = prefix + piece.name + suffix;
    return named;
  };
  const bool adapter = what.adapts != Adapts::kNothing;
  const int32_t role = adapter  ? sites_[static_cast<size_t>(site(block, what.base))].role
                       : linear ? role_of(architecture_, step)
                                : LETHE_ROLE_NORM;
  add_site(prefix + what.name, linear ? LETHE_SITE_LINEAR : LETHE_SITE_NORM, inputs, outputs, role);
  Site& added = sites_.back();
  added.block = block;
  added.residual = step.add != kNone;
  added.frozen = what.frozen;
  added.adapts = what.adapts;
  added.scale = step.scale;
  // peft's factors are torch.nn.Linear's whatever the family.
  add_part(tensors(".weight"), linear ? inputs : 1, linear ? 2 : 1, linear && (adapter || architecture_.turned));
  if (what.bias) add_part(tensors(".bias"), 1, 1, false);
}

std::vector<uint8_t> Layout::chosen(const uint8_t* sites, const char* name) const {
  std::vector<uint8_t> chosen;
  for (size_t s = 0; s < sites_.size(); ++s) {
    const bool frozen = sites_[s].frozen;
    require(sites == nullptr || sites[s] == 0 || !frozen, name, " chooses ", sites_[s].name,
            ", which is the base's and frozen");
    chosen.push_back(sites == nullptr ? !frozen : sites[s] != 0);
  }
  return chosen;
}

std::vector<Segment> segments(const Layout& layout, const uint8_t* sites) {
  std::vector<Segment> result;
  const auto& parts = layout.parts();
  bool adjacent = false;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    const bool shared = layout.shape().tied && part.site == Layout::embedding_site();
    if (part.frozen()) continue;
    const bool chosen = sites == nullptr || sites[part.site] != 0 || (shared && sites[layout.head_site()] != 0);
    if (chosen) {
      const int64_t end = (part.offset + part.count() + Layout::kAlignment - 1) / Layout::kAlignment * Layout::kAlignment;
      const bool matrix = part.dimensions == 2;
      if (adjacent && result.back().matrix == matrix) {
        result.back().end = end;
      } else {
        result.push_back({part.offset, end, matrix});
      }
    }
    adjacent = chosen;
  }
  return result;
}

}  // namespace lethe
