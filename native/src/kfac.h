// Kronecker-factored Fisher blocks: what the two passes fill, what decomposing makes, what apply uses; the formulas are
// in lethe.h. Sums are in the model's dtype and on its device; eigenproblems are in fp64, on the host: on a device every
// block's sums are copied down once, to be decomposed, and its eigenbases up.
//
// Rows of A and G of one record are a slice of the pass's tensors, so a record's gradient in the eigenbases is
// (A Q_A)_i^T (G Q_G)_i: a whole batch is rotated by one product a side.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "batch.h"
#include "capture.h"
#include "guard.h"
#include "model.h"

namespace lethe {

class EntrySet;

// sum of x^T x over batches, the upper triangle of it: column panels, each down to its own diagonal.
class SymmetricSum {
 public:
  SymmetricSum() = default;
  SymmetricSum(int64_t n, const at::TensorOptions& options);

  void add(const at::Tensor& x, Rounding rounding);  // [rows, n]
  at::Tensor full() const;                           // [n, n] fp64 on the host, both triangles
  int64_t size() const { return n_; }

 private:
  int64_t n_ = 0;
  std::vector<int64_t> begins_;      // of each panel's columns, then n
  std::vector<at::Tensor> panels_;   // [end, end - begin] each
};

struct KfacBlock {
  int64_t site = 0;                // that owns the parts: a linear site, a norm, wte, wpe, or an untied lm_head
  int64_t weight = -1, bias = -1;  // parts; bias stays -1 where there is none
  int32_t kind = 0;                // LETHE_SITE_*
  // Of eigenvalues: [inputs, outputs], [table rows, C], [1, C] of a norm; and one row more for a bias.
  int64_t rows = 0, columns = 0;
  bool scatter = false;  // a table's part from the embedding's output gradient
  bool head = false;     // a table's part from the head

  // First pass; gone after decomposing.
  SymmetricSum inputs;                 // linear: A; table: the head's hidden states H
  SymmetricSum outputs;                // linear: G; table: the embedding-output gradient D
  at::Tensor input_sums;               // linear: [inputs] column sums of A
  at::Tensor scatter_rows, head_rows;  // table: [rows] fp64 occurrences, on the host; sums of E^2

  // Views of Kfac::numbers.
  at::Tensor left;    // linear: [rows, rows] Q_A, eigenvectors are columns
  at::Tensor right;   // linear and table: [columns, columns] Q_G
  at::Tensor values;  // [rows, columns]; sums over records in the correction stage

  int64_t weight_rows() const { return bias < 0 ? rows : rows - 1; }
  int64_t elements() const;  // of Kfac::numbers, each part aligned
};

enum class KfacStage : int32_t {
  kCovariance = LETHE_KFAC_COVARIANCE,
  kKronecker = LETHE_KFAC_KRONECKER,
  kCorrected = LETHE_KFAC_CORRECTED
};

struct Kfac {
  Kfac(const Model& model, const lethe_kfac_options& options);

  const KfacBlock* block_of_site(int64_t site) const;  // NULL when not chosen; a tied lm_head has wte's
  KfacBlock* block_of_site(int64_t site) { return const_cast<KfacBlock*>(std::as_const(*this).block_of_site(site)); }
  void require_whole() const;  // refuses after a pass that failed
  void allocate_numbers();
  double value_scale() const;  // from stored to mean eigenvalues
  at::TensorOptions options() const { return at::TensorOptions().dtype(dtype).device(device); }

  Layout layout;
  at::ScalarType dtype;
  at::Device device;
  std::shared_ptr<DevicePath> path;  // NULL on the CPU
  int32_t fisher;
  uint64_t seed;
  KfacStage stage;
  int64_t records = 0;               // seen in this stage
  int64_t tokens = 0, targets = 0;   // of the first pass
  bool broken = false;
  std::vector<KfacBlock> blocks;
  int64_t elements = 0;  // of numbers
  at::Tensor numbers;    // [elements] of dtype: every block's left, right and values, each 64-byte aligned
  LiveHandle live;
};

void kfac_accumulate(Kfac& kfac, Model& model, const Batch& batch, double* losses, const Cancel& cancel);
void kfac_accumulate_entries(Kfac& kfac, const EntrySet& set, const Cancel& cancel);
void kfac_decompose(Kfac& kfac, const Cancel& cancel);

struct KfacPower {
  double damping, relative;  // a block's shift: damping + relative * its mean eigenvalue
  double power;
};
void kfac_apply(const Kfac& kfac, const KfacPower& options, const lethe_vector& in, lethe_vector& out);

// ---- kfac_covariance.cpp, kfac_correction.cpp: the observers of the two passes

// Counts tokens and targets, draws labels when sampled, and finds what is not finite; the passes do the rest.
class KfacObserver : public GradientObserver {
 public:
  KfacObserver(Kfac& kfac, const Batch& batch, Rounding rounding) : kfac_(kfac), batch_(batch), rounding_(rounding) {}
  void relabel(int64_t first_row, const at::Tensor& errors) final;
  void norm(int64_t site, const at::Tensor& weight, const at::Tensor& bias) final;  // values += squares

 protected:
  at::Tensor own(const at::Tensor& tensor) const { return tensor.to(kfac_.dtype); }
  // Without the columns by which a device's errors are padded.
  at::Tensor own_errors(const at::Tensor& errors) const {
    return own(errors.narrow(1, 0, kfac_.layout.shape().vocabulary));
  }
  void require_finite(const at::Tensor& embedding_gradient) const;

  Kfac& kfac_;
  const Batch& batch_;
  const Rounding rounding_;  // of products, as the pass's own; the correction's squares are not rounded
};

// Around a batch, whoever tells the observer of it.
std::unique_ptr<KfacObserver> kfac_begin(Kfac& kfac, const Batch& batch, Rounding rounding);
void kfac_end(Kfac& kfac, const Batch& batch, KfacObserver& observer);

std::unique_ptr<KfacObserver> make_covariance_pass(Kfac& kfac, const Batch& batch, Rounding rounding);
std::unique_ptr<KfacObserver> make_correction_pass(Kfac& kfac, const Batch& batch, Rounding rounding);

struct RowRange {
  int64_t begin, end;
};
// values [R, C] += sum over ranges of the squares of (u_range^T x_range); u [n, R] may be a strided view, x [n, C]. On a
// device a range at a time, else tile by tile.
void add_squares(bool on_device, const at::Tensor& u, const at::Tensor& x, const std::vector<RowRange>& ranges,
                 const at::Tensor& values);

}  // namespace lethe

struct lethe_kfac final : lethe::Kfac {
  using lethe::Kfac::Kfac;
};
