// SPDX-License-Identifier: Apache-2.0
#include "devcloud/state.h"

#include "devcloud/schema.h"

#include <filesystem>

namespace redoubt::devcloud {

Result<std::unique_ptr<State>> State::open(const std::string& data_dir) {
    std::error_code error;
    if (std::filesystem::create_directories(data_dir, error))
        std::filesystem::permissions(data_dir, std::filesystem::perms::owner_all, error);
    if (error)
        return fail(Code::Io, "devcloud's data folder cannot be created", data_dir);
    REDOUBT_TRY(auto database, Database::open(data_dir + "/devcloud.db"));
    REDOUBT_CHECK(migrate(database));
    return std::unique_ptr<State>(new State(std::move(database)));
}

} // namespace redoubt::devcloud
