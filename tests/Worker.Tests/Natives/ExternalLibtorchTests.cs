using Distributed.Worker.Natives;

namespace Distributed.Worker.Tests.Natives;

public sealed class ExternalLibtorchTests
{
    [Theory]
    [InlineData("cpu", null)]
    [InlineData("cuda", "")]
    public void A_worker_with_a_libtorch_of_its_own_looks_for_no_other(string backend, string? named) =>
        Assert.Null(ExternalLibtorch.Choose(backend, named, "2.10.0"));

    [Theory]
    [InlineData("cpu", "/opt/torch", "DISTRIBUTED_LIBTORCH is '/opt/torch', but this worker has a libtorch of its own (TorchBackend=cpu)")]
    [InlineData("external", null, "built without libtorch (TorchBackend=external); set DISTRIBUTED_LIBTORCH")]
    [InlineData("external", "", "built without libtorch (TorchBackend=external); set DISTRIBUTED_LIBTORCH")]
    [InlineData("external", "/no/such/folder", "'/no/such/folder', which is no folder")]
    public void What_cannot_be_meant_is_refused_with_what_to_do(string backend, string? named, string words) =>
        Assert.Contains(words, Assert.Throws<LibtorchException>(() => ExternalLibtorch.Choose(backend, named, "2.10.0")).Message, StringComparison.Ordinal);
}
