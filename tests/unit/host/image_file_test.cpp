// SPDX-License-Identifier: Apache-2.0
#include "host/image_file.h"

#include "runner_support.h"

namespace redoubt::host::tests {

namespace {

TEST(ReadImage, gives_bytes_that_stay_whatever_becomes_of_the_file) {
    Folder folder;
    const std::string text(3'000'000, 'x');
    folder.write("image", text);
    const auto bytes = read_image(folder.file("image"));
    ASSERT_TRUE(bytes);
    std::filesystem::resize_file(folder.file("image"), 0);
    EXPECT_TRUE(as_text(*bytes) == text);
}

TEST(ReadImage, of_a_file_that_grows_and_shrinks_is_a_copy_or_an_error) {
    Folder folder;
    folder.write("image", "x");
    std::atomic<bool> stop{false};
    std::thread other([&] {
        while (!stop) {
            std::filesystem::resize_file(folder.file("image"), 8'000'000);
            std::filesystem::resize_file(folder.file("image"), 1);
        }
    });
    for (int i = 0; i < 300; ++i) {
        const auto bytes = read_image(folder.file("image"));
        EXPECT_TRUE(bytes ? bytes->size() == 1 || bytes->size() == 8'000'000
                          : bytes.error().code == Code::Io);
    }
    stop = true;
    other.join();
}

TEST(ReadImage, refuses_what_is_no_file_or_empty) {
    Folder folder;
    folder.write("empty", "");
    ASSERT_EQ(mkfifo(folder.file("pipe").c_str(), 0600), 0);
    for (const std::string& path :
         {folder.file("none"), folder.file("empty"), folder.file("pipe"), folder.path()})
        EXPECT_FALSE(read_image(path)) << path;
}

} // namespace

} // namespace redoubt::host::tests
