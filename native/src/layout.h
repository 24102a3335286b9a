// Where everything lies: the sites of a model of a given shape and its tensors' places in one flat buffer.
//
// Sites are numbered token and, where there is one, position table, then each block's as its architecture lists them,
// then the final norm and the head. The passes see a weight and perhaps a bias a site; a checkpoint's tensors are
// those, or stretches of their outputs one after the other (q|k|v, gate|up). Every weight and bias starts at a multiple
// of 16 elements; the gaps between them hold zeros for ever, so that whole buffers can be added and multiplied without
// looking at the layout.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "architecture.h"
#include "lethe.h"

namespace lethe {

struct Site {
  std::string name;
  int32_t kind;     // LETHE_SITE_*
  int64_t inputs;   // width of A: V for wte, context for wpe, C for a norm and lm_head
  int64_t outputs;  // width of G
  int32_t role;     // LETHE_ROLE_*
  int64_t block = -1;
  bool residual = false;  // its output joins the residual stream
  bool frozen = false;    // a base's
  Adapts adapts = Adapts::kNothing;
  double scale = 1;  // of its output
};

// A tensor as a checkpoint has it.
struct TensorSpec {
  std::string name;
  int64_t offset;  // elements; -1 of a frozen one, which is in no flat buffer
  int64_t rows;    // 1 for a vector
  int64_t columns;
  int32_t dimensions;
  int64_t site;

  int64_t count() const { return rows * columns; }
};

// A site's weight or bias as the passes see it: [rows, columns] with a linear weight's inputs as rows, whatever a
// checkpoint does.
struct Part {
  int64_t offset;  // elements; -1 of a frozen one
  int64_t rows;    // 1 for a vector
  int64_t columns;
  int32_t dimensions;
  int64_t site;
  bool turned;     // stored as [columns, rows]
  int64_t tensor;  // the first of its tensors

  int64_t count() const { return rows * columns; }
  bool frozen() const { return offset < 0; }
};

class Layout {
 public:
  static constexpr int64_t kAlignment = 16;  // elements

  // Refuses shapes that cannot exist, naming all that is wrong at once.
  explicit Layout(const Shape& shape);
  Layout(const Shape& shape, Architecture architecture);

  const Shape& shape() const { return shape_; }
  const Architecture& architecture() const { return architecture_; }
  const std::vector<Site>& sites() const { return sites_; }
  const std::vector<TensorSpec>& tensors() const { return tensors_; }
  const std::vector<Part>& parts() const { return parts_; }
  int64_t site_count() const { return static_cast<int64_t>(sites_.size()); }
  int64_t parameters() const { return parameters_; }  // that can be trained
  int64_t frozen_numbers() const { return frozen_; }  // of the base
  bool frozen(int64_t site) const { return sites_[static_cast<size_t>(site)].frozen; }
  int64_t numbers() const { return parameters_ + frozen_; }
  int64_t flat_size() const { return flat_size_; }

  static constexpr int64_t embedding_site() { return 0; }
  int64_t positions() const { return architecture_.positions.empty() ? -1 : 1; }  // the site of learned ones, or -1
  // A step's site: of a block or, as block L, of the tail. For the site before which a block begins, site(block, 0).
  int64_t site(int64_t block, int of_block) const { return first_site_[static_cast<size_t>(block)] + of_block; }
  int64_t final_norm_site() const { return site(shape_.layers, 0); }
  int64_t head_site() const { return final_norm_site() + 1; }

  // Index of the part that is a site's weight (for a tied head: the embedding's) or bias; -1 where the site has none,
  // and for the site -1.
  int64_t weight_of(int64_t site) const { return site < 0 ? -1 : weight_of_[static_cast<size_t>(site)]; }
  int64_t bias_of(int64_t site) const { return site < 0 ? -1 : bias_of_[static_cast<size_t>(site)]; }
  bool has_bias(int64_t site) const { return bias_of(site) >= 0; }

  // Which sites [S] a caller's mask chooses, NULL being all that can be trained; refuses frozen ones.
  std::vector<uint8_t> chosen(const uint8_t* sites, const char* name) const;

 private:
  int64_t add_site(std::string name, int32_t kind, int64_t inputs, int64_t outputs, int32_t role);
  // A weight or bias of the last site, owned by tensors `names` with so many outputs each.
  void add_part(const std::vector<Piece>& pieces, int64_t rows, int32_t dimensions, bool turned);
  void add_step(const Step& step, int64_t block, const BlockSite& site);
  bool adapted() const { return !shape_.adapted.empty(); }

  Shape shape_;
  Architecture architecture_;
  std::vector<Site> sites_;
  std::vector<TensorSpec> tensors_;
  std::vector<Part> parts_;
  std::vector<int64_t> weight_of_, bias_of_;
  std::vector<int64_t> first_site_;  // of each block, the tail's too
  int64_t parameters_ = 0, frozen_ = 0;
  int64_t flat_size_ = 0;
};

// A contiguous stretch of the flat buffer that belongs to selected parts of one kind.
struct Segment {
  int64_t begin, end;  // elements, gaps between neighbours included
  bool matrix;         // of 2-D parts
};

// The stretches of the parts whose site is selected by `sites` [S] (NULL = all), neighbours of one kind merged. A
// tied wte is selected by either of its sites, wte or lm_head.
std::vector<Segment> segments(const Layout& layout, const uint8_t* sites);

}  // namespace lethe
