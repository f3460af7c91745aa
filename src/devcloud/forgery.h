// SPDX-License-Identifier: Apache-2.0
// Replies of KMS altered on purpose, to see that its clients refuse them (faults.h). A reply that has nothing
// to alter, an error say, stays as it is.
#pragma once

#include "devcloud/faults.h"
#include "net/http.h"

namespace redoubt::devcloud {

// The KeyId becomes the ARN of a key that does not exist, in the same account and region.
void name_another_key(net::HttpResponse& response);

//   CmsAltered         a bit of CiphertextForRecipient's encrypted content is another; its length stays
//   PlaintextPresent   32 bytes of Plaintext stand beside CiphertextForRecipient
//   CiphertextAltered  the last bit of CiphertextBlob is another
//   NotJson            the body ends in its middle
void forge_reply(net::HttpResponse& response, Forgery forgery);

} // namespace redoubt::devcloud
