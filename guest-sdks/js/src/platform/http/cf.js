// What does `cf` of a request say that came here?
//
// What is always there at Cloudflare, so that code which reads it goes on. Nobody here knows where
// a client is, nor whether it is a robot: of the place there is nothing, as with an address that
// Cloudflare does not know, and the rest is what `wrangler dev` gives.

const CERTIFICATE = {
  certPresented: "0", certVerified: "NONE", certRevoked: "0", certIssuerDN: "", certSubjectDN: "", certIssuerDNRFC2253: "",
  certSubjectDNRFC2253: "", certIssuerDNLegacy: "", certSubjectDNLegacy: "", certSerial: "", certIssuerSerial: "", certSKI: "",
  certIssuerSKI: "", certFingerprintSHA1: "", certFingerprintSHA256: "", certNotBefore: "", certNotAfter: "",
};

export function cfOf(url) {
  const isSecure = url.startsWith("https:");
  return {
    colo: "",
    clientTcpRtt: 0,
    httpProtocol: "HTTP/1.1",
    requestPriority: "",
    tlsCipher: isSecure ? "AEAD-AES128-GCM-SHA256" : "",
    tlsVersion: isSecure ? "TLSv1.3" : "",
    tlsClientAuth: { ...CERTIFICATE },
    edgeRequestKeepAliveStatus: 0,
    clientTrustScore: 99,
    botManagement: { corporateProxy: false, verifiedBot: false, staticResource: false, detectionIds: [], score: 99 },
  };
}
