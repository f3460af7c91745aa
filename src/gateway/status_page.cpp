// SPDX-License-Identifier: Apache-2.0
#include "gateway/status_page.h"

#include "crypto/hash.h"

#include <algorithm>
#include <cstdio>

namespace redoubt::gateway {

namespace {

std::string digest_source(std::string_view text) {
    return "'sha256-" + to_base64(crypto::sha256(as_bytes(text))) + "'";
}

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

} // namespace

net::HttpResponse status_page(const StatusView& view) {
    net::HttpResponse response;
    response.headers = {
        {"content-type", "text/html; charset=utf-8"},
        {"content-security-policy",
         "default-src 'none'; style-src " + digest_source(status_page_style()) + "; script-src " +
             digest_source(status_page_script()) +
             "; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"cache-control", "no-store"},
        {"referrer-policy", "no-referrer"},
        {"x-content-type-options", "nosniff"},
        {"x-frame-options", "DENY"},
    };
    response.body = to_bytes(status_page_html(view));
    return response;
}

std::string sparkline(const std::vector<double>& values, int width, int height, std::string_view label) {
    std::string out = "<svg class=\"spark\" role=\"img\" width=\"" + std::to_string(width) + "\" height=\"" +
                      std::to_string(height) + "\" viewBox=\"0 0 " + std::to_string(width) + " " +
                      std::to_string(height) + "\" aria-label=\"" + std::string(label) + "\">";
    const double most = values.empty() ? 0 : *std::ranges::max_element(values);
    constexpr double kEdge = 2; // so that the line's width is not cut
    if (values.size() >= 2) {
        const double step = (width - 2 * kEdge) / static_cast<double>(values.size() - 1);
        const double scale = most > 0 ? (height - 2 * kEdge) / most : 0;
        out += "<polyline points=\"";
        for (std::size_t i = 0; i < values.size(); ++i)
            out += (i == 0 ? "" : " ") + number(kEdge + step * static_cast<double>(i)) + "," +
                   number(height - kEdge - values[i] * scale);
        out += "\"/>";
    }
    out += "</svg>";
    return out;
}

} // namespace redoubt::gateway
