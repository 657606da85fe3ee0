using Distributed.Worker.Natives;

namespace Distributed.Worker.Tests.Natives;

public sealed class ExternalLibtorchTests
{
    [Theory]
    [InlineData("cpu", null)]
    [InlineData("cuda", "")]
    public void A_worker_with_its_own_libtorch_searches_for_no_other(string backend, string? named) =>
        Assert.Null(ExternalLibtorch.Choose(backend, named, "2.10.0"));

    [Theory]
    [InlineData("cpu", "/opt/torch", "DISTRIBUTED_LIBTORCH is '/opt/torch', but this worker has a libtorch of its own (TorchBackend=cpu)")]
    [InlineData("external", null, "built without libtorch (TorchBackend=external); set DISTRIBUTED_LIBTORCH")]
    [InlineData("external", "", "built without libtorch (TorchBackend=external); set DISTRIBUTED_LIBTORCH")]
    [InlineData("external", "/no/such/folder", "'/no/such/folder', which is no folder")]
    public void A_contradiction_is_rejected_with_the_remedy(string backend, string? named, string words) =>
        Assert.Contains(words, Assert.Throws<LibtorchException>(() => ExternalLibtorch.Choose(backend, named, "2.10.0")).Message,
            StringComparison.Ordinal);
}
