// SPDX-License-Identifier: Apache-2.0
// The metadata of an EIF: JSON about how it was built, in the members that nitro-cli demands. Neither
// measured nor signed: whoever has the file can write anything there, so nothing but a person may go by it.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace redoubt::image {

inline constexpr std::size_t kMaxCustomMetadata = 4096; // bytes of JSON, nitro-cli's limit

struct Metadata {
    std::string name = "enclave", version = "0";     // ImageName, ImageVersion
    std::string build_time = "1970-01-01T00:00:00Z"; // an argument, so that builds are reproducible
    std::string build_tool = "redoubt", build_tool_version = "0";
    std::string operating_system = "Linux", kernel_version = "Unknown";
    std::string docker_info = "{}"; // JSON, as `docker image inspect` tells it; only nitro-cli has any
    std::string custom = "{}";      // a JSON object; when read, any JSON, and "null" where there is none
};

// The same values give the same bytes. Error: ImageInvalid (texts that are not UTF-8, custom metadata that is
// no JSON object or too long).
Result<std::string> write_metadata(const Metadata& metadata);
// Members that nothing here knows are passed over. Error: ImageInvalid.
Result<Metadata> read_metadata(ByteView json);

// "6.12.38" of an x86 bzImage (Documentation/arch/x86/boot.rst, kernel_version); "Unknown" of anything else.
std::string kernel_version(ByteView kernel);

} // namespace redoubt::image
