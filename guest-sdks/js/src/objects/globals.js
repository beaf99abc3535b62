// Which globals speak to the host?

import { install } from "../platform/install.js";
import { fetch, openSocket } from "./fetch.js";
import { connectBy, WebSocket, WebSocketPair, WebSocketRequestResponsePair } from "./websocket.js";

connectBy(openSocket);
install({ fetch, WebSocket, WebSocketPair, WebSocketRequestResponsePair });
