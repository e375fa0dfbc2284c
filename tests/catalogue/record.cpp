// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/record.hpp"

#include <cstddef>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <heliograd/io/npy.hpp>

namespace test {

namespace {

namespace hgt = heliograd::testing;
using hgt::OpCase;

class Record {
 public:
  Record(std::string const& folder, std::string const& family)
      : family_(family), path_(folder + "/" + family), lines_(path_ + ".jsonl") {}

  void add(OpCase const& op_case, Margins const& margins) {
    if (!op_case.reference) return;
    auto const inputs = hgt::draw_inputs(op_case, false);
    nlohmann::json line{{"family", family_},
                        {"name", op_case.name},
                        {"peer", op_case.peer},
                        {"peer_bar", op_case.peer_bar},
                        {"exact", op_case.exact_on_integers},
                        {"linear", op_case.linear},
                        {"per_image", !op_case.per_image.empty()},
                        {"refusals", op_case.refusals.size()},
                        {"float_bar", op_case.float_bar},
                        {"double_bar", op_case.double_bar},
                        {"margins",
                         {{"float", margins.in_float},
                          {"double", margins.in_double},
                          {"gradient", margins.gradient},
                          {"complex_step", margins.complex_step},
                          {"twice", margins.twice},
                          {"float_gradient", margins.gradient_in_float}}}};
    for (std::size_t k = 0; k < inputs.size(); ++k)
      line["inputs"].push_back({{"shape", inputs[k].shape},
                                {"differentiable", op_case.inputs[k].differentiable},
                                {"at", put(inputs[k].values)}});
    auto const in_double = put<double>(op_case, inputs);
    line["double"] = in_double;
    line["float"] = put<float>(op_case, inputs);
    lines_ << line.dump() << '\n';
  }

  void finish() const {
    heliograd::io::write_npy(path_ + ".npy", values_.data(), {values_.size()}, {.overwrite = true});
  }

 private:
  std::size_t put(std::vector<double> const& values) {
    values_.insert(values_.end(), values.begin(), values.end());
    return values_.size() - values.size();
  }
  template <class Scalar>
  nlohmann::json put(OpCase const& op_case, std::vector<hgt::HostTensor> const& inputs) {
    auto const result = hgt::evaluate<Scalar>(op_case, inputs);
    nlohmann::json line{{"shape", result.shape},
                        {"values", put(result.values)},
                        {"weights", put(hgt::projection(result.values.size()))},
                        {"gradients", nlohmann::json::array()}};
    for (auto const& gradient : result.gradients) line["gradients"].push_back(put(gradient));
    return line;
  }

  std::string family_, path_;
  std::ofstream lines_;
  std::vector<double> values_;
};

}  // namespace

void record(std::string const& folder, std::string const& family, std::vector<OpCase> const& cases,
            std::vector<Margins> const& margins) {
  Record record(folder, family);
  for (std::size_t i = 0; i < cases.size(); ++i) record.add(cases[i], margins[i]);
  record.finish();
}

}  // namespace test
