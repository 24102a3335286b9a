// The table of sites and tensors, in the order of a Hugging Face checkpoint.
#include "layout.h"

#include <cmath>
#include <limits>

#include "guard.h"

namespace lethe {
namespace {

// Room for index arithmetic: no tensor of a sane model reaches it, and products of two stay below 2^63.
constexpr int64_t kLargest = int64_t{1} << 31;

const Shape& checked_shape(const Shape& shape) {
  std::ostringstream problems;
  const auto positive = [&](int64_t value, const char* name) {
    if (value < 1 || value >= kLargest) problems << name << " is " << value << ", allowed 1 to 2^31 - 1; ";
  };
  positive(shape.vocabulary, "vocabulary");
  positive(shape.context, "context");
  positive(shape.channels, "channels");
  positive(shape.heads, "heads");
  positive(shape.layers, "layers");
  positive(shape.inner, "inner");
  if (shape.layers > 10000) problems << "layers is " << shape.layers << ", allowed up to 10000; ";
  if (shape.heads > 0 && shape.channels % shape.heads != 0)
    problems << "channels " << shape.channels << " is not divisible by heads " << shape.heads << "; ";
  if (!(shape.epsilon > 0) || !std::isfinite(shape.epsilon))
    problems << "layer_norm_epsilon is " << shape.epsilon << ", must be positive; ";
  std::string text = problems.str();
  require(text.empty(), "no such model: ", text.substr(0, text.empty() ? 0 : text.size() - 2));
  return shape;
}

}  // namespace

Layout::Layout(const Shape& shape) : Layout(shape, gpt2(checked_shape(shape))) {}

Layout::Layout(const Shape& shape, Architecture architecture) : shape_(shape), architecture_(std::move(architecture)) {
  const Architecture& a = architecture_;
  const auto add_table = [&](const std::string& name, int64_t rows, int64_t site) {
    add_tensor(name + ".weight", rows, shape.channels, 2, site);
  };
  const int64_t c = shape.channels;
  add_table(a.embedding, shape.vocabulary, add_site(a.embedding, LETHE_SITE_EMBEDDING, shape.vocabulary, c));
  add_table(a.positions, shape.context, add_site(a.positions, LETHE_SITE_POSITION, shape.context, c));
  for (int64_t l = 0; l < shape.layers; ++l) {
    for (const Step& step : a.steps)
      if (step.op == Op::kNorm || step.op == Op::kLinear)
        add_step(step, a.block + std::to_string(l) + ".", a.sites[static_cast<size_t>(step.site)]);
  }
  add_step(a.tail.front(), "", a.tail_site);
  const int64_t head = add_site(a.head, LETHE_SITE_HEAD, shape.channels, shape.vocabulary);
  if (shape.tied) {
    weight_of_[static_cast<size_t>(head)] = weight_of(embedding_site());
  } else {
    add_table(a.head, shape.vocabulary, head);
  }
}

int64_t Layout::add_site(std::string name, int32_t kind, int64_t inputs, int64_t outputs) {
  sites_.push_back({std::move(name), kind, inputs, outputs});
  weight_of_.push_back(-1);
  bias_of_.push_back(-1);
  return site_count() - 1;
}

int64_t Layout::add_tensor(std::string name, int64_t rows, int64_t columns, int32_t dimensions, int64_t site) {
  const int64_t count = rows * columns;
  require(flat_size_ < std::numeric_limits<int64_t>::max() / 64 - count, "no such model: too many parameters");
  auto& slot = (dimensions == 2 || weight_of(site) < 0 ? weight_of_ : bias_of_)[static_cast<size_t>(site)];
  slot = static_cast<int64_t>(tensors_.size());
  tensors_.push_back({std::move(name), flat_size_, rows, columns, dimensions, site});
  parameters_ += count;
  flat_size_ += (count + kAlignment - 1) / kAlignment * kAlignment;
  return slot;
}

void Layout::add_step(const Step& step, const std::string& prefix, const BlockSite& what) {
  const std::string name = prefix + what.name;
  const int64_t inputs = architecture_.slot(step.in).width, outputs = architecture_.slot(step.out).width;
  const bool norm = step.op == Op::kNorm;
  const int64_t site = add_site(name, norm ? LETHE_SITE_NORM : LETHE_SITE_LINEAR, inputs, outputs);
  sites_.back().residual = step.add != kNone;
  add_tensor(name + ".weight", norm ? 1 : inputs, outputs, norm ? 1 : 2, site);
  if (what.bias) add_tensor(name + ".bias", 1, outputs, 1, site);
}

std::vector<Segment> segments(const Layout& layout, const uint8_t* sites) {
  std::vector<Segment> result;
  const auto& tensors = layout.tensors();
  bool adjacent = false;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorSpec& tensor = tensors[i];
    const bool shared = layout.shape().tied && tensor.site == Layout::embedding_site();
    const bool chosen = sites == nullptr || sites[tensor.site] != 0 || (shared && sites[layout.head_site()] != 0);
    if (chosen) {
      const int64_t end = i + 1 < tensors.size() ? tensors[i + 1].offset : layout.flat_size();
      const bool matrix = tensor.dimensions == 2;
      if (adjacent && result.back().matrix == matrix) {
        result.back().end = end;
      } else {
        result.push_back({tensor.offset, end, matrix});
      }
    }
    adjacent = chosen;
  }
  return result;
}

}  // namespace lethe
