// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <csignal>
#include <heliograd/io/atomic_file.hpp>
#include <stdexcept>

#include "forge.hpp"

namespace hg = heliograd;
using Catch::Matchers::ContainsSubstring;
using forge::Folder;
using hg::io::AtomicFile;

TEST_CASE("atomic file: appears complete at commit", "[io][atomic]") {
  Folder const folder;
  std::string const path = folder / "out";
  {
    AtomicFile file(path);
    file.append("abc", 3);
    file.write_at(5, "fg", 2);
    file.write_at(3, "de", 2);
    CHECK(file.size() == 7);
    char back[3] = {};
    file.read_at(2, back, 3);
    CHECK(std::string(back, 3) == "cde");
    CHECK_FALSE(forge::fs::exists(path));
    file.commit([&](std::string const& temporary) { CHECK(forge::load(temporary) == "abcdefg"); });
  }
  CHECK(forge::load(path) == "abcdefg");
  CHECK(folder.files() == 1);
}

TEST_CASE("atomic file: without commit nothing happened", "[io][atomic]") {
  Folder const folder;
  {
    AtomicFile file(folder / "out");
    file.append("abc", 3);
    CHECK(folder.files() == 1);
    AtomicFile const moved(std::move(file));
    CHECK(folder.files() == 1);
  }
  CHECK(folder.files() == 0);
}

TEST_CASE("atomic file: an existing file is replaced only on request, and stays when writing fails", "[io][atomic]") {
  Folder const folder;
  std::string const path = folder / "out";
  forge::save(path, "old");
  ::chmod(path.c_str(), 0640);
  CHECK_THROWS_WITH(AtomicFile(path), ContainsSubstring("exists already"));
  CHECK_THROWS_AS(hg::io::check_output(path), hg::OutputError);
  CHECK_NOTHROW(hg::io::check_output(path, true));
  {
    AtomicFile file(path, {.overwrite = true});
    file.append("new", 3);
    CHECK_THROWS_WITH(file.commit([](std::string const&) { throw std::runtime_error("sum differs"); }),
                      ContainsSubstring("does not read back as it was written: sum differs"));
  }
  CHECK(forge::load(path) == "old");
  {
    AtomicFile file(path, {.overwrite = true});
    file.append("new", 3);
    file.commit();
  }
  CHECK(forge::load(path) == "new");
  struct stat info{};
  ::stat(path.c_str(), &info);
  CHECK((info.st_mode & 0777) == 0640);
  CHECK(folder.files() == 1);
}

TEST_CASE("atomic file: a file that appears meanwhile is not lost", "[io][atomic]") {
  Folder const folder;
  AtomicFile file(folder / "out");
  file.append("mine", 4);
  forge::save(folder / "out", "theirs");
  CHECK_THROWS_WITH(file.commit(), ContainsSubstring("exists already"));
  CHECK(forge::load(folder / "out") == "theirs");
  CHECK(folder.files() == 1);
}

TEST_CASE("atomic file: impossible targets are refused before any work", "[io][atomic]") {
  Folder const folder;
  ::mkdir((folder / "sub").c_str(), 0777);
  forge::save(folder / "file", "x");
  ::symlink((folder / "file").c_str(), (folder / "link").c_str());
  ::mkfifo((folder / "fifo").c_str(), 0600);
  for (std::string const& path :
       {std::string(), folder / "sub", folder / "sub/", folder / "none/out", folder / "file/out", folder / "link",
        folder / "fifo", std::string("/dev/full"), std::string("/dev/null"), std::string("a\0b", 3)}) {
    CHECK_THROWS_AS(hg::io::check_output(path, true), hg::OutputError);
    CHECK_THROWS_AS(AtomicFile(path, {.overwrite = true}), hg::OutputError);
  }
  CHECK_THROWS_WITH(hg::io::check_output(folder / "none/out"), ContainsSubstring("no folder"));
  CHECK(folder.files() == 4);
  CHECK(hg::io::same_file(folder / "file", folder / "link"));
  CHECK_FALSE(hg::io::same_file(folder / "file", folder / "sub"));
  CHECK_FALSE(hg::io::same_file(folder / "none", folder / "none"));
}

TEST_CASE("atomic file: a full disk is an error and leaves nothing", "[io][atomic]") {
  Folder const folder;
  struct rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  auto const handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit const small{4096, old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  std::string early;
  try {
    AtomicFile file(folder / "out");
    std::string const bytes(8192, 'x');
    file.append(bytes.data(), bytes.size());
    file.commit();
  } catch (hg::OutputError const& error) {
    message = error.what();
  }
  try {
    AtomicFile file(folder / "out");
    file.reserve(1 << 20);
  } catch (hg::OutputError const& error) {
    early = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, ContainsSubstring("cannot be written (File too large)"));
  if (!early.empty())
    CHECK_THAT(early, ContainsSubstring("has no room for its 1048576 bytes"));  // where fallocate works
  CHECK(folder.files() == 0);
}

TEST_CASE("atomic file: a signal handler can remove what is unfinished", "[io][atomic]") {
  Folder const folder;
  pid_t const child = ::fork();
  if (child == 0) {
    std::signal(SIGTERM, [](int) {
      hg::io::remove_pending_files();
      ::_exit(143);
    });
    AtomicFile first(folder / "a");
    AtomicFile second(folder / "b");
    first.append("x", 1);
    ::raise(SIGTERM);
    ::_exit(1);
  }
  int state = 0;
  ::waitpid(child, &state, 0);
  CHECK(WEXITSTATUS(state) == 143);
  CHECK(folder.files() == 0);
}
