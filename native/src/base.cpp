// Maps files and views their tensors.
#include "base.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>

#include "guard.h"

namespace lethe {
namespace {

// A whole file, read-only.
class Mapping {
 public:
  explicit Mapping(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    require(file >= 0, "cannot open ", path, ": ", std::strerror(errno));
    struct stat facts {};
    const bool known = fstat(file, &facts) == 0 && facts.st_size > 0;
    void* data = known ? mmap(nullptr, static_cast<size_t>(facts.st_size), PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    const int reason = errno;
    close(file);
    require(data != MAP_FAILED, "cannot map ", path, ": ", known ? std::strerror(reason) : "it is empty");
    data_ = static_cast<char*>(data);
    bytes_ = facts.st_size;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { munmap(data_, static_cast<size_t>(bytes_)); }

  char* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  char* data_;
  int64_t bytes_;
};

using Mappings = std::map<std::string, std::shared_ptr<const Mapping>>;

at::Tensor view(const TensorSpec& what, const lethe_base_tensor& where, Mappings& mappings) {
  require_pointer(where.path, "base tensor.path");
  const at::ScalarType type = scalar_type(where.dtype);
  require(type != at::kDouble, what.name, " is fp64, allowed 0 (F32), 2 (F16) and 3 (BF16)");
  std::shared_ptr<const Mapping>& file = mappings[where.path];
  if (file == nullptr) file = std::make_shared<Mapping>(where.path);
  const auto element = static_cast<int64_t>(c10::elementSize(type));
  require(where.offset >= 0 && where.offset <= file->bytes() && what.count() <= (file->bytes() - where.offset) / element,
          where.path, " ends before ", what.name, " does: it takes ", what.count() * element, " bytes from ", where.offset);
  char* data = file->data() + where.offset;
  const auto options = at::TensorOptions().dtype(type);
  const std::vector<int64_t> sizes =
      what.dimensions == 1 ? std::vector{what.columns} : std::vector{what.rows, what.columns};
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(element) == 0)
    return at::from_blob(data, sizes, [file](void*) {}, options);
  at::Tensor copy = at::empty(sizes, options);
  std::memcpy(copy.mutable_data_ptr(), data, static_cast<size_t>(copy.nbytes()));
  return copy;
}

}  // namespace

Base::Base(Layout layout, at::ScalarType compute, const DevicePlace& place, const lethe_base_tensor* tensors,
           int64_t count)
    : layout_(std::move(layout)), compute_(compute), on_device_(place.path != nullptr) {
  require(count == static_cast<int64_t>(layout_.tensors().size()), "count is ", count, ", the model has ",
          layout_.tensors().size(), " tensors");
  require_pointer(tensors, "tensors");
  Mappings mappings;
  for (const TensorSpec& what : layout_.tensors()) {
    const at::Tensor stored = view(what, checked(tensors++, "base tensor"), mappings);
    const bool copied = on_device_ || compute == at::kDouble || what.dimensions == 1 ||
                        what.site == layout_.positions();
    // Norms' weights and biases are of the model's own type on a device too.
    const at::ScalarType type = what.dimensions == 1 && compute == at::kBFloat16 ? at::kFloat : compute;
    tensors_.push_back(copied ? stored.to(at::TensorOptions().dtype(type).device(place.device)) : stored);
  }
}

const at::Tensor& Base::tensor(const std::string& name) const {
  static const at::Tensor none;
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (layout_.tensors()[i].name == name) return tensors_[i];
  return none;
}

void write_merged(const Model& model, int64_t tensor, int32_t dtype, void* out, int64_t bytes) {
  const Layout& layout = model.layout;
  require(tensor >= 0 && tensor < static_cast<int64_t>(layout.tensors().size()), "tensor is ", tensor,
          ", allowed 0 to ", layout.tensors().size() - 1);
  const TensorSpec& what = layout.tensors()[static_cast<size_t>(tensor)];
  require(what.offset < 0, what.name, " is no tensor of a base");
  const at::ScalarType type = scalar_type(dtype);
  const int64_t needed = what.count() * static_cast<int64_t>(c10::elementSize(type));
  require(bytes >= needed, "bytes is ", bytes, ", ", what.name, " needs ", needed);
  at::Tensor merged = model.base->tensor(what.name).to(model.dtype);
  const int64_t a = what.site + 1;  // a layer's adapter follows it
  const Site& factor = layout.sites()[static_cast<size_t>(std::min(a, layout.site_count() - 1))];
  if (what.dimensions == 2 && factor.adapts == Adapts::kA) {
    const at::Tensor product = at::mm(model.weight(a), model.weight(a + 1)) * factor.scale;
    const bool turned = layout.parts()[static_cast<size_t>(layout.weight_of(what.site))].turned;
    merged = merged + (turned ? product.t() : product);
  }
  at::from_blob(out, merged.sizes(), at::TensorOptions().dtype(type)).copy_(merged);
}

}  // namespace lethe
