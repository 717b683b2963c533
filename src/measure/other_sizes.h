// A launch of a kernel on a small spec of other sizes than its case's, its tensors and parameters in another order.
#pragma once
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "measure/binding.h"
#include "proof/proved_spec.h"
#include "proof/special_values.h"

namespace assay {

/// What all cases of a spec share of that.
struct OtherSizes {
  /// special: of a product, for that spec. classes: of all kernels to come.
  OtherSizes(const Spec& of, std::unique_ptr<SpecialValues> special_values, const std::vector<Accuracy>& classes);

  Spec spec;
  std::unique_ptr<SpecialValues> special;  // of a product; null for another op …
  Arenas arenas{/*huge_pages=*/false};
  std::unique_ptr<ProvedSpec> proved;  // … which has this
};

/// Those of a spec: a kernel's are the first that its manifest takes.
class OtherSizesList {
 public:
  OtherSizesList() = default;
  /// special: of a product, for one of them. On a GPU none are of a vendor's kernels, whose plans are for one shape.
  OtherSizesList(const Spec& spec, std::vector<const Variant*> kernels, bool is_gpu,
                 const std::function<std::unique_ptr<SpecialValues>(const Spec&)>& special);

  bool empty() const { return all_.empty(); }
  /// Null: there are none that it takes.
  const OtherSizes* for_kernel(const Variant& kernel) const;

 private:
  bool takes(const Spec& other, const Variant& kernel) const;

  bool is_gpu_ = false;
  std::vector<std::unique_ptr<OtherSizes>> all_;
};

/// Of an op that is no product: "" or what is wrong.
std::string check_other_sizes(const WorkerCase& work, OpenedArenas& opened, LoadedKernel& kernel,
                              std::mt19937_64& random);

/// The tensors and parameters of a launch from last to first: who takes them by place is wrong.
Launch turned(Launch launch);

}  // namespace assay
