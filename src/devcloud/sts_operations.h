// SPDX-License-Identifier: Apache-2.0
// Private to STS: one function an operation. Each returns the XML inside <OperationResult>.
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/service_error.h"
#include "devcloud/sts_form.h"

namespace redoubt::devcloud {

struct StsCall {
    Cloud& cloud;
    const Call& call;
    const Form& form;
};

// sts_roles.cpp
Reply<std::string> assume_role(StsCall& sts);
// The call's principal is nobody yet; the token says who asks.
Reply<std::string> assume_role_with_web_identity(StsCall& sts);

// sts.cpp
// Names and sentences are ASCII; anything else could make the document malformed, and becomes '?'.
std::string xml_escaped(std::string_view text);
// <NAME>text</NAME>, escaped.
std::string xml_element(std::string_view name, std::string_view text);

} // namespace redoubt::devcloud
