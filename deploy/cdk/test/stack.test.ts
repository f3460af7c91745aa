// SPDX-License-Identifier: Apache-2.0
// What a deployment is, property by property. One process, so that each deployment is synthesised once.
import "./properties/allow";
import "./properties/config";
import "./properties/docs";
import "./properties/findings";
import "./properties/front";
import "./properties/hosts";
import "./properties/keys";
import "./properties/lambda";
import "./properties/network";
import "./properties/stack";
import "./properties/store";
import "./properties/user_data";
