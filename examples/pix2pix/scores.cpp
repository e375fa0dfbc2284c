// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <heliograd/io/fits_header.hpp>
#include <heliograd/kernel/resample.hpp>
#include <heliograd/metrics/close_share.hpp>
#include <heliograd/metrics/flux.hpp>
#include <heliograd/metrics/psnr.hpp>
#include <heliograd/metrics/relative_error.hpp>
#include <heliograd/metrics/residual.hpp>
#include <heliograd/metrics/ssim.hpp>

namespace pix2pix {

namespace hg = heliograd;
namespace hm = heliograd::metrics;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Image changed(Image image, auto const& change) {
  for (float& v : image.pixels) v = static_cast<float>(change(double(v)));
  return image;
}

/// To a smaller grid by straight lines between pixels, as the published code does it.
Image reduced(HostSpace& ws, Image const& image, std::size_t factor) {
  Image small(image.height / factor, image.width / factor);
  hg::kernel::resample<Host>(ws, detail::view_of(image), detail::view_of(small), {.method = hg::Resampling::bilinear});
  ws.exec().fence("pix2pix::reduced");
  return small;
}

/// SSIM of windows, computed where networks run: the host's kernels for it are vector code, which compilers for GPUs do not take.
double windowed_ssim(Image const& prediction, Image const& truth, hg::SsimOptions const& options) {
  using Device = hg::Backend<Kokkos::DefaultExecutionSpace, float>;
  hg::Workspace<Device> ws;
  auto const map = [&ws](Image const& image) {
    auto const tensor = hg::make_tensor<Device>("image", hg::Shape<2>{image.height, image.width});
    hg::from_host(ws.exec(), tensor, image.pixels);
    return tensor;
  };
  auto const p = map(prediction), t = map(truth);
  return hm::ssim<Device>(ws, p, t, options).value();
}

/// A square of a disk.
struct Region {
  std::size_t y, x;
};

/// The square with the most and that with the least of `amount` among those that touch each other and lie within 0.7 radii, or
/// anywhere if there is no disk. Squares with missing pixels do not count.
std::pair<std::optional<Region>, std::optional<Region>> regions(Image const& amount, std::size_t side,
                                                                Place const& place) {
  std::optional<Region> most, least;
  double high = -1, low = std::numeric_limits<double>::infinity();
  for (std::size_t y = 0; y + side <= amount.height; y += side)
    for (std::size_t x = 0; x + side <= amount.width; x += side) {
      double sum = 0, far = 0;
      for (std::size_t i = 0; i < side; ++i)
        for (std::size_t j = 0; j < side; ++j) sum += std::fabs(double(amount.at(y + i, x + j)));
      if (place.disk)
        for (int k = 0; k < 4; ++k)
          far = std::max(far, place.disk->radius(double(x + (k % 2) * (side - 1)), double(y + (k / 2) * (side - 1))));
      if (!std::isfinite(sum) || far > 0.7) continue;
      if (sum > high) high = sum, most = Region{y, x};
      if (sum < low) low = sum, least = Region{y, x};
    }
  if (most && least && most->y == least->y && most->x == least->x) least.reset();
  return {most, least};
}

double correlation(HostSpace& ws, Image const& a, Image const& b) {
  return hm::pearson<Host>(ws, a.map(), b.map()).value();
}

}  // namespace

double correlation_within(HostSpace& ws, Image prediction, Image truth, Scaling const& scaling, double radius) {
  double const y = 0.5 * double(truth.height - 1), x = 0.5 * double(truth.width - 1);
  for (std::size_t i = 0; i < truth.pixels.size(); ++i) {
    bool const inside = std::hypot(double(i / truth.width) - y, double(i % truth.width) - x) <= radius;
    prediction.pixels[i] = inside ? scaling.to_physical(prediction.pixels[i]) : float(nan);
    truth.pixels[i] = inside ? scaling.to_physical(truth.pixels[i]) : float(nan);
  }
  double const found = correlation(ws, prediction, truth);
  return std::isfinite(found) ? found : 0;
}

Place place_of(hg::io::FitsHeader const& header, std::size_t height, std::size_t width) {
  Place place;
  if (auto const mm = header.real("PIXEL_MM"); mm && *mm > 0) {
    place.pixel_cm2 = *mm * *mm * 1e16;
  } else if (header.text("CTYPE1").value_or("").starts_with("HPLN")) {
    try {
      auto const pointing = hg::physics::pointing_from(header, "header");
      double const radius = pointing.radius_pixels();
      place.pixel_cm2 = pointing.pixel_area_cm2();
      bool const whole = pointing.center_x > 0.9 * radius && pointing.center_y > 0.9 * radius &&
                         pointing.center_x + 0.9 * radius < double(width) &&
                         pointing.center_y + 0.9 * radius < double(height);
      if (whole) place.disk = pointing;
    } catch (hg::Error const&) {  // an image without a pointing is compared all the same
    }
  }
  return place;
}

Measured measure(HostSpace& ws, Image const& prediction, Image const& truth, Scaling const& scaling,
                 Place const& place) {
  bool const field = scaling.law == Scaling::Law::field;
  bool const photons = scaling.law == Scaling::Law::photons;
  Measured m;
  // What counts: the disk if there is one, and what has a value in both.
  Image p = prediction, t = truth;
  std::size_t counted = 0;
  for (std::size_t i = 0; i < t.pixels.size(); ++i) {
    bool const inside = !place.disk || place.disk->radius(double(i % t.width), double(i / t.width)) < 1;
    bool const values = std::isfinite(p.pixels[i]) && std::isfinite(t.pixels[i]);
    if (inside && !values) ++m.missing;
    if (inside && values)
      ++counted;
    else
      p.pixels[i] = t.pixels[i] = float(nan);
  }
  if (counted < 2) throw hg::InputError("no pixel has a value in both the prediction and the truth");
  auto const add = [&](std::string name, double value) { m.scores.push_back({std::move(name), value}); };
  auto const pm = p.map(), tm = t.map();

  m.pixels = hm::pearson<Host>(ws, pm, tm);
  auto const residual = hm::residual<Host>(ws, pm, tm);
  add("CC", m.pixels.value());
  for (std::size_t const side : {2, 8})
    if (std::min(t.height, t.width) / side >= 4)
      add("CC " + std::to_string(side) + "x" + std::to_string(side), correlation(ws, binned(p, side), binned(t, side)));
  add("RMSE", residual.rmse());
  add("bias", residual.bias());

  if (photons) {  // Park et al. 2019: a quarter of the size along a side, clipped, plus one
    std::size_t const factor = std::min(t.height, t.width) >= 1024 ? 4 : 1;
    double const top = std::exp2(scaling.limit);
    auto const clipped = [&](double v) { return std::clamp(v + 1, 1.0, top); };
    Image const ps = changed(reduced(ws, p, factor), clipped), ts = changed(reduced(ws, t, factor), clipped);
    auto const psm = ps.map(), tsm = ts.map();
    auto const pair = hm::pearson<Host>(ws, psm, tsm);
    add("CC paper", pair.value());
    add("RE", hm::relative_error(pair.mean_prediction, pair.mean_truth));
    add("PPE10", hm::close_share<Host>(ws, psm, tsm, 0.1).value());
    add("PPE50", hm::close_share<Host>(ws, psm, tsm, 0.5).value());
  }

  // As the network sees it, in bytes.
  auto const to_bytes = [&](double v) {
    return std::isfinite(v) ? (double(scaling.to_network(float(v))) + 1) * 127.5 : nan;
  };
  Image const pb = changed(p, to_bytes), tb = changed(t, to_bytes);
  auto const pbm = pb.map(), tbm = tb.map();
  add("PSNR", hm::psnr(hm::residual<Host>(ws, pbm, tbm), 255));
  // Sun et al. 2023 print c1 = 2.55 and c2 = 7.65; Wang et al. 2004 have their squares.
  hg::SsimOptions const wang{.data_range = 255},
      sun{.data_range = 255, .k1 = std::sqrt(2.55) / 255, .k2 = std::sqrt(7.65) / 255};
  bool const windows = std::min(t.height, t.width) >= 11;
  if (windows) add("SSIM", windowed_ssim(pb, tb, wang));
  if (windows) add("SSIM c 2.55", windowed_ssim(pb, tb, sun));
  add("SSIM global", hm::global_ssim(hm::pearson<Host>(ws, pbm, tbm), sun));

  if (field) {
    auto const strong = hm::pearson_by<Host>(ws, pm, tm, tm, {{100, 1e30}, {0, 100}});
    add("CC |B|>100", strong[0].value());
    add("slope |B|>100", strong[0].slope());
    add("CC |B|<100", strong[1].value());
  }

  // Fine detail; pixels that do not count are set to the mean.
  if (std::min(t.height, t.width) >= 16) {
    m.prediction_power = hm::power_spectrum<Host>(ws, pbm);
    m.truth_power = hm::power_spectrum<Host>(ws, tbm);
    auto const detail = [](hm::PowerSpectrum const& s) { return s.total() * s.share_above(detail_frequency); };
    add("detail", detail(*m.prediction_power) / detail(*m.truth_power));
  }

  // Flux, or intensity, of the disk, an active and a quiet region, each as high as 128 pixels of a disk of 392.
  std::size_t const longest = std::min(t.height, t.width);
  double const wanted = place.disk ? 128.0 / 392 * place.disk->radius_pixels() : double(longest) / 4;
  auto const side = std::clamp<std::size_t>(std::size_t(std::lround(wanted)), 4, std::max<std::size_t>(4, longest));
  auto const [active, quiet] = regions(t, side, place);
  auto const sums = [&](std::string const& where, Image const& a, Image const& b) {
    auto const put = [&](std::string const& what, double pv, double tv) {
      m.prediction_sums.push_back({what + " " + where, pv});
      m.truth_sums.push_back({what + " " + where, tv});
    };
    auto const am = a.map(), bm = b.map();
    if (field) {
      hm::FluxOptions const strong{place.pixel_cm2, 10}, all{place.pixel_cm2, 0};
      put("TUMF", hm::flux<Host>(ws, am, strong).total_unsigned, hm::flux<Host>(ws, bm, strong).total_unsigned);
      put("net flux", hm::flux<Host>(ws, am, all).net, hm::flux<Host>(ws, bm, all).net);
    } else {
      put("total", hm::flux<Host>(ws, am).net, hm::flux<Host>(ws, bm).net);
    }
  };
  sums("disk", p, t);
  auto const of_region = [&](std::string const& where, std::optional<Region> const& region) {
    if (!region) return;
    Image const a = part(p, region->y, region->x, side, side), b = part(t, region->y, region->x, side, side);
    add("CC " + where, correlation(ws, a, b));
    if (side >= 32) add("CC 8x8 " + where, correlation(ws, binned(a, 8), binned(b, 8)));
    sums(where, a, b);
  };
  of_region("active", active);
  of_region("quiet", quiet);

  auto const shown = [&](double v) { return photons ? std::log2(std::max(0.0, v) + 1) : v; };
  auto const psm = changed(p, shown).map(), tsm = changed(t, shown).map();
  double const high = scaling.limit;
  m.scatter = hm::joint_histogram<Host>(ws, psm, tsm,
                                        {.low = field ? -high : 0, .high = field || photons ? high : 1, .count = 120});
  return m;
}

}  // namespace pix2pix
