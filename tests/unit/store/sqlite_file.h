// SPDX-License-Identifier: Apache-2.0
// A store's SQLite file as another program sees it.
#pragma once

#include "base/bytes.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace redoubt::store::tests {

class SqliteFile {
  public:
    explicit SqliteFile(const std::string& path) {
        EXPECT_EQ(sqlite3_open(path.c_str(), &handle_), SQLITE_OK);
    }
    ~SqliteFile() { sqlite3_close(handle_); }
    SqliteFile(const SqliteFile&) = delete;
    SqliteFile& operator=(const SqliteFile&) = delete;

    // The last column of the last row, as text.
    std::string run(const std::string& sql) {
        std::string out;
        EXPECT_EQ(sqlite3_exec(
                      handle_, sql.c_str(),
                      [](void* text, int columns, char** values, char**) {
                          const char* const last = values[columns - 1];
                          *static_cast<std::string*>(text) = last != nullptr ? last : "";
                          return 0;
                      },
                      &out, nullptr),
                  SQLITE_OK)
            << sqlite3_errmsg(handle_) << ": " << sql.substr(0, 200);
        return out;
    }

  private:
    sqlite3* handle_ = nullptr;
};

inline std::string execute(const std::string& path, const std::string& sql) {
    return SqliteFile(path).run(sql);
}

} // namespace redoubt::store::tests
