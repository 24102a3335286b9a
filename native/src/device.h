// The door to a device: what a model that does not lie on the CPU does in its own way.
//
// The passes of this folder are the CPU's. A model made for a device carries a DevicePath, whose stream all its work runs
// on, and every export asks it instead. native/device implements one over CUDA kernels; a build without them has none
// and says so (no_device.cpp).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "batch.h"
#include "guard.h"
#include "layout.h"
#include "lethe.h"

namespace lethe {

class GradientObserver;
struct AdamwStep;
struct Decoder;
struct Model;
struct RowScores;
class TangentOps;

// While it lives, the device and the path's stream are the calling thread's current ones.
struct DeviceScope {
  virtual ~DeviceScope() = default;
};

struct GradientCall {
  bool accumulate;
  const lethe_capture* capture;  // may be NULL
  double* losses;                // [B]
  double* products;              // [B, S] activation-gradient products, or NULL
};

struct TokenCall {
  Model* reference;  // or NULL: then the loss is the next token's, or flatness
  double penalty;
  bool flat;
  bool accumulate;
  double* row_losses;  // of every target row, without its weight
};

// Toward a vector [C] or a model's hidden states after the first `layers` layers; the other is NULL.
struct HiddenCall {
  int64_t layers;
  const double* target;
  Model* reference;
  bool accumulate;
  double* distances;  // [B]
};

// Rows of x by the table's row that they are added to, each times its value; on the device.
struct TableGroups {
  at::Tensor ids;     // [groups] int32, all different
  at::Tensor starts;  // [groups + 1] int32
  at::Tensor rows;    // [starts.back()] int32
  at::Tensor values;  // [starts.back()] of the table's type
};
// Rows of a table's left factor: k of a row's numbers, where they are; index -1: none.
struct SparseRows {
  at::Tensor index;   // [rows, k] int32
  at::Tensor values;  // [rows, k] of the model's type
};
// out[i, j] += sum over i's rows and j's columns of P * Q, fp64; only for i >= j with `lower`, counted from the firsts.
struct PairProducts {
  at::Tensor p, q;         // [rows, columns]
  at::Tensor left, right;  // where each entry's rows or columns begin, and their number; int32
  int64_t left_first, right_first;
  bool lower;
  at::Tensor out;
};

struct DevicePath {
  virtual ~DevicePath() = default;

  virtual std::unique_ptr<DeviceScope> enter() = 0;
  virtual void wait() = 0;     // until everything handed to the stream is done
  virtual void release() = 0;  // gives back all memory that is only kept for the next call

  // Passes: as the exports of the same names. Parameters are read anew after parameters_changed.
  virtual void parameters_changed() = 0;
  virtual void gradient(Model& model, const Batch& batch, const GradientCall& call, const Cancel& cancel) = 0;
  virtual void evaluate(Model& model, const Batch& batch, const RowScores& scores, const Cancel& cancel) = 0;
  virtual void logits(Model& model, const Batch& batch, const at::Tensor& out) = 0;  // out [sum T, V] on the host
  // The reference's path is of the same device.
  virtual void token_gradient(Model& model, const Batch& batch, const TokenCall& call, const Cancel& cancel) = 0;
  virtual void hidden_gradient(Model& model, const Batch& batch, const HiddenCall& call, const Cancel& cancel) = 0;
  // Forward and backward without weight gradients, for observers; row_losses: of every target row. The gradient buffer is
  // unspecified afterwards.
  virtual void observe(Model& model, const Batch& batch, const std::vector<GradientObserver*>& observers,
                       double* row_losses, const Cancel& cancel) = 0;
  // Of the batch of the pass under way, errors of the target rows from `first` on: moves each row's minus one from its
  // target to a label drawn from the softmax by a number in [0, 1).
  virtual void draw_labels(const at::Tensor& errors, int64_t vocabulary, int64_t first,
                           const std::vector<double>& drawn) = 0;
  // Calls body with the tangent passes' operations over a batch.
  virtual void tangents(Model& model, const Batch& batch, const std::function<void(TangentOps&)>& body) = 0;
  virtual std::unique_ptr<Decoder> decoder(Model& model, const Batch& prompts, int64_t capacity) = 0;
  virtual std::unique_ptr<lethe_ring> make_ring(Model& model, int64_t slots, int64_t slot_bytes) = 0;

  // Entries: rows go up through pinned memory, of which there are two pieces, so that one is filled while the other is
  // copied. What upload returns is a copy of the first `bytes` of what staging gave last, [bytes] of kByte.
  virtual char* staging(size_t bytes) = 0;
  virtual at::Tensor upload(size_t bytes) = 0;
  // Arithmetic over tables and rows of entries on the device, entries_device.h's.
  virtual void add_rows(const at::Tensor& x, const TableGroups& groups, const at::Tensor& table) = 0;
  virtual void table_scatter(const SparseRows& rows, const at::Tensor& u) = 0;
  virtual void table_products(const SparseRows& rows, const at::Tensor& u, const at::Tensor& out) = 0;
  virtual void pair_products(const PairProducts& job) = 0;
  virtual at::Tensor row_dots(const at::Tensor& x, const at::Tensor& y) = 0;  // [rows] fp64; y may be one row

  // Flat buffers: as flat.h; adamw returns the gradient's norm and moves nothing when that is not finite.
  virtual double dot(const at::Tensor& a, const at::Tensor& b, const std::vector<Segment>& over) = 0;
  virtual void combine(const at::Tensor& y, double b, double a, const at::Tensor& x, const std::vector<Segment>& over) = 0;
  virtual void add_square(const at::Tensor& y, double b, double a, const at::Tensor& x) = 0;
  virtual void divide_root(const at::Tensor& y, const at::Tensor& v, double floor, const std::vector<Segment>& over) = 0;
  virtual double adamw(Model& model, const AdamwStep& step, const std::vector<Segment>& over) = 0;
};

// The path of a model of this configuration and the torch device of its tensors. Refuses a device that this build or
// machine does not have, saying which it is and what to do.
struct DevicePlace {
  at::Device device;
  std::shared_ptr<DevicePath> path;
};
DevicePlace make_device_path(const lethe_model_config& config);

bool device_kernels_built();
int32_t device_count() noexcept;  // usable now, 0 without a driver

// Facts of device `index`; refuses one that is not there.
void device_info(int32_t index, lethe_device& out);

// Runs body as it is on the CPU, else in the path's scope, and waits: when an export returns, its work is done. After an
// exception too, for the next call writes where this one's copies still read; what failed first is what is told.
template <class Body>
void run_on(const std::shared_ptr<DevicePath>& path, Body&& body) {
  if (path == nullptr) {
    body();
    return;
  }
  const std::unique_ptr<DeviceScope> scope = path->enter();
  try {
    body();
  } catch (...) {
    try {
      path->wait();
    } catch (const std::exception&) {  // a device that failed says so to whoever uses it next
    }
    throw;
  }
  path->wait();
}

}  // namespace lethe
