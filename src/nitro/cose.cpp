// SPDX-License-Identifier: Apache-2.0
#include "nitro/cose.h"

#include "nitro/cbor.h"

namespace redoubt::nitro {

Bytes sig_structure(ByteView protected_header, ByteView payload) {
    Bytes out;
    cbor::Writer(out).array(4).text("Signature1").bytes(protected_header).bytes({}).bytes(payload);
    return out;
}

} // namespace redoubt::nitro
