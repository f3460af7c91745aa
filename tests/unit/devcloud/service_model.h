// SPDX-License-Identifier: Apache-2.0
// A service's own description of its operations (botocore's service-2.json, of the conformance vectors), and
// whether a reply has the shape it describes.
#pragma once

#include "base/bytes.h"
#include "support/vectors.h"

#include <nlohmann/json.hpp>
#include <set>

namespace redoubt::devcloud::tests {

class ServiceModel {
  public:
    using Json = nlohmann::json;

    // `path` under aws-models, "kms/2014-11-01". nullptr without vectors. Parsed once for the process.
    static const ServiceModel* find(const std::string& path) {
        static std::map<std::string, std::unique_ptr<ServiceModel>> loaded;
        auto& model = loaded[path];
        const auto folder = redoubt::tests::vectors_folder();
        if (!model && folder) {
            model = std::make_unique<ServiceModel>();
            model->json_ =
                Json::parse(redoubt::tests::read_file(*folder / "aws-models" / path / "service-2.json"));
        }
        return model.get();
    }

    std::vector<std::string> operations() const {
        std::vector<std::string> names;
        for (const auto& [name, operation] : json_["operations"].items())
            names.push_back(name);
        return names;
    }
    // The input's members and their shapes' types.
    std::map<std::string, std::string> input_members(const std::string& operation) const {
        std::map<std::string, std::string> out;
        const auto& entry = json_["operations"][operation];
        if (entry.contains("input"))
            for (const auto& [name, member] : json_["shapes"][entry["input"]["shape"]]["members"].items())
                out[name] = json_["shapes"][member["shape"]]["type"];
        return out;
    }
    // The names of an output's members, and of those inside them that are structures.
    std::set<std::string> output_names(const std::string& operation) const {
        std::set<std::string> out;
        add_names(json_["operations"][operation]["output"]["shape"], out);
        return out;
    }
    bool has_error(const std::string& operation, const std::string& type) const {
        for (const auto& error : json_["operations"][operation].value("errors", Json::array()))
            if (error["shape"] == type)
                return true;
        return false;
    }
    // Empty: the reply is as the model says.
    std::string check_output(const std::string& operation, const std::string& text) const {
        const auto& entry = json_["operations"][operation];
        if (!entry.contains("output"))
            return text.empty() ? "" : "a body where the model has no output: " + text;
        const auto body = Json::parse(text, nullptr, false);
        return body.is_discarded() ? "no JSON: " + text : check(entry["output"]["shape"], body, operation);
    }

  private:
    void add_names(const std::string& shape, std::set<std::string>& out) const {
        const auto members = json_["shapes"][shape].value("members", Json::object());
        for (const auto& [name, member] : members.items()) {
            out.insert(name);
            add_names(member["shape"], out);
        }
    }
    std::string check(const std::string& shape_name, const Json& value, const std::string& where) const {
        const auto& shape = json_["shapes"][shape_name];
        const std::string type = shape["type"];
        const auto wrong = [&](const std::string& why) { return where + ": " + why + ": " + value.dump(); };
        const auto outside = [&](double size) {
            return (shape.contains("min") && size < shape["min"].get<double>()) ||
                   (shape.contains("max") && size > shape["max"].get<double>());
        };
        if (type == "structure") {
            if (!value.is_object())
                return wrong("no object");
            for (const auto& name : shape.value("required", Json::array()))
                if (!value.contains(name))
                    return wrong("lacks " + name.get<std::string>());
            for (const auto& [name, member] : value.items()) {
                if (!shape["members"].contains(name))
                    return wrong("has " + name + ", which the model does not");
                if (auto found = check(shape["members"][name]["shape"], member, where + "." + name);
                    !found.empty())
                    return found;
            }
            return "";
        }
        if (type == "list") {
            if (!value.is_array() || outside(double(value.size())))
                return wrong("no list of the model's length");
            for (const auto& element : value)
                if (auto found = check(shape["member"]["shape"], element, where + "[]"); !found.empty())
                    return found;
            return "";
        }
        if (type == "map") {
            if (!value.is_object())
                return wrong("no map");
            for (const auto& [name, element] : value.items())
                if (auto found = check(shape["value"]["shape"], element, where + "." + name); !found.empty())
                    return found;
            return "";
        }
        if (type == "boolean")
            return value.is_boolean() ? "" : wrong("no boolean");
        if (type == "integer" || type == "long")
            return value.is_number_integer() && !outside(value.get<double>()) ? "" : wrong("no such integer");
        if (type == "timestamp")
            return value.is_number() ? "" : wrong("no timestamp");
        if (!value.is_string())
            return wrong("no string");
        const auto text = value.get<std::string>();
        if (type == "blob") {
            const auto bytes = from_base64(text);
            return bytes && !outside(double(bytes->size())) ? "" : wrong("no base64 of the model's length");
        }
        if (outside(double(text.size())))
            return wrong("not of the model's length");
        if (shape.contains("enum") &&
            std::find(shape["enum"].begin(), shape["enum"].end(), text) == shape["enum"].end())
            return wrong("not of the model's enumeration");
        return "";
    }
    Json json_;
};

} // namespace redoubt::devcloud::tests
