using System.Net;

namespace Distributed.Worker.Tests.Data;

/// <summary>Answers from a function instead of a network, and records the requests.</summary>
internal sealed class FakeNetwork(Func<string, HttpContent> answer) : HttpMessageHandler
{
    public List<string> Requests { get; } = [];

    /// <summary>No network: every request fails like that to an unknown host.</summary>
    public static FakeNetwork Closed() => new(_ => throw new HttpRequestException("Name or service not known"));

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var name = Path.GetFileName(request.RequestUri!.AbsolutePath);
        Requests.Add(name);
        return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = answer(name) });
    }
}
