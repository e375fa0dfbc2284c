// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "program.hpp"

/// \file
/// Command lines of our programs: CLI11 with sub-commands, `--config FILE` whose values give way to flags, and errors in
/// one line.
namespace examples {

namespace detail {

/// The name of the sub-command an argument list asks for, or nothing.
inline CLI::App* chosen_command(CLI::App& app, std::vector<std::string> const& arguments) {
  for (std::string const& argument : arguments)
    if (!argument.starts_with("-"))
      for (CLI::App* const command : app.get_subcommands({}))
        if (command->check_name(argument)) return command;
  return nullptr;
}

inline bool stands_in(std::vector<std::string> const& arguments, CLI::Option const& option) {
  return std::any_of(arguments.begin(), arguments.end(), [&](std::string const& argument) {
    std::string const name = argument.substr(0, argument.find('='));
    if (name.starts_with("--")) return option.check_lname(name.substr(2));
    return name.size() == 2 && name.front() == '-' && option.check_sname(name.substr(1));
  });
}

}  // namespace detail

/// Adds what a configuration file says to a list of arguments (without the program's name), wherever no flag says
/// otherwise. The file is TOML: `name = value`, at the top or in a section `[command]`; sections of other commands are passed
/// over. `--config FILE` itself is taken out.
/// Throws   InputError if the file cannot be read, UsageError if it names an unknown option.
inline std::vector<std::string> with_config(CLI::App& app, std::vector<std::string> arguments) {
  std::optional<std::string> file;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") break;
    bool const joined = arguments[i].starts_with("--config=");
    if (!joined && arguments[i] != "--config") continue;
    if (file) throw heliograd::UsageError("--config was given twice");
    if (!joined && i + 1 == arguments.size()) throw heliograd::UsageError("--config needs a file name");
    file = joined ? arguments[i].substr(9) : arguments[i + 1];
    auto const at = arguments.begin() + static_cast<std::ptrdiff_t>(i);
    arguments.erase(at, at + (joined ? 1 : 2));
    --i;
  }
  if (!file) return arguments;
  if (!std::filesystem::is_regular_file(*file))
    throw heliograd::InputError(*file +
                                ": no such configuration file; give a TOML file with lines such as steps = 1000");
  CLI::App* const command = detail::chosen_command(app, arguments);
  if (!command) throw heliograd::UsageError("--config needs a command beside it, such as train or apply");
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_file(*file);
  } catch (CLI::Error const& error) {
    throw heliograd::InputError(*file + ": is no configuration file (" + error.what() + ")");
  }
  std::vector<std::string> const flags = arguments;
  for (CLI::ConfigItem const& item : items) {
    if (item.name == "++" || item.name == "--") continue;  // begin and end of a section
    if (!item.parents.empty() && !command->check_name(item.parents.front())) {
      if (!detail::chosen_command(app, {item.parents.front()}))
        throw heliograd::UsageError(*file + ": there is no command '" + item.parents.front() +
                                    "' for a section to be of; " + app.get_name() + " --help lists them");
      continue;
    }
    std::string key = item.name;
    std::replace(key.begin(), key.end(), '_', '-');
    CLI::Option const* option = command->get_option_no_throw("--" + key);
    if (!option) option = app.get_option_no_throw("--" + key);
    if (!option || key == "config" || key == "help" || key == "version")
      throw heliograd::UsageError(*file + ": unknown option '" + item.name + "' for the command " +
                                  command->get_name() + "; " + command->get_name() + " --help lists them");
    if (detail::stands_in(flags, *option)) continue;
    if (option->get_expected_max() == 0) {  // a flag
      std::string const value = item.inputs.empty() ? "true" : item.inputs.front();
      if (value != "true" && value != "false")
        throw heliograd::UsageError(*file + ": " + item.name + " is true or false (found '" + value + "')");
      if (value == "true") arguments.push_back("--" + key);
      continue;
    }
    if (item.inputs.size() != 1 && option->get_expected_max() == 1)
      throw heliograd::UsageError(*file + ": " + item.name + " is one value (found " +
                                  std::to_string(item.inputs.size()) + ")");
    if (option->get_expected_max() == 1) {
      arguments.push_back("--" + key + "=" + item.inputs.front());
    } else {
      arguments.push_back("--" + key);
      arguments.insert(arguments.end(), item.inputs.begin(), item.inputs.end());
    }
  }
  return arguments;
}

/// Makes every option of numbers refuse words, such as true for 1, and what is not finite.
inline void want_numbers(CLI::App& command) {
  CLI::Validator const finite(
      [](std::string& text) {
        double value = 0;
        bool const number = CLI::detail::lexical_cast(text, value);
        return number && std::isfinite(value) ? std::string{} : "'" + text.substr(0, 40) + "' is not a finite number";
      },
      "", "finite");
  CLI::Validator const digits(
      [](std::string& text) {
        bool const number = text.find_first_of("0123456789") <= 1;
        return number ? std::string{} : "'" + text.substr(0, 40) + "' is not a whole number";
      },
      "", "digits");
  for (CLI::Option* const option : command.get_options()) {
    if (option->get_type_name().starts_with("INT") || option->get_type_name().starts_with("UINT"))
      option->check(digits);
    if (option->get_type_name().starts_with("FLOAT") || option->get_type_name() == "LOW HIGH" ||
        option->get_type_name() == "FROM TO")
      option->check(finite);
  }
}

/// The options of a command as a TOML file that --config reads, defaults included, less those that were left open and those
/// set aside: what does not decide the result, such as where it stands and who looks on.
inline std::string recipe_of(CLI::App& command, std::initializer_list<char const*> aside) {
  for (char const* const name : aside) command.get_option(name)->configurable(false);
  std::istringstream lines(command.config_to_str(true, false));
  std::string kept, line;
  while (std::getline(lines, line)) {
    if (line.ends_with("=\"\"") || line.ends_with("=[]")) continue;
    if (auto const list = line.find("=\"["); list != std::string::npos && line.ends_with("]\""))  // a default list
      line = line.substr(0, list + 1) + line.substr(list + 2, line.size() - list - 3);
    kept += line + "\n";
  }
  return kept;
}

/// Parses a command line. Returns nothing if the program shall go on, or the exit code after --help, --version or a mistake,
/// which is reported in one line.
inline std::optional<int> parse_arguments(CLI::App& app, std::string const& program, int argc, char** argv) {
  try {
    std::vector<std::string> given(argv + 1, argv + argc);
    for (std::string& argument : given)  // --batch_size is --batch-size
      if (argument.starts_with("--"))
        std::replace(argument.begin(),
                     argument.begin() + static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size())), '_',
                     '-');
    if (!given.empty() && !given.front().starts_with("-") && !detail::chosen_command(app, {given.front()}))
      throw heliograd::UsageError("'" + given.front().substr(0, 40) + "' is no command; " + program +
                                  " --help lists them");
    std::vector<std::string> arguments = with_config(app, std::move(given));
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app.parse(std::move(arguments));
    return std::nullopt;
  } catch (CLI::Success const& asked) {
    return app.exit(asked, std::cout, std::cerr);
  } catch (CLI::Error const& error) {
    std::string command = program;
    for (CLI::App const* const sub : app.get_subcommands()) command += " " + sub->get_name();
    report(program, std::string(error.what()) + "; see " + command + " --help");
    return wrong_usage;
  }
}

}  // namespace examples
