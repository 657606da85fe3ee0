using Distributed.Jobs;
using Distributed.Jobs.State;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Data;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Models;

/// <summary>A small network saved by Python (Scripts/net.py).</summary>
[Collection(TorchTests.Name)]
public sealed class TorchScriptTests : IDisposable
{
    private static readonly TorchScriptSpec _net = new() { File = Path.Combine(AppContext.BaseDirectory, "Models", "Scripts", "net.pt") };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Its_tensors_have_the_names_of_the_state_dict_and_are_in_the_flat_vectors()
    {
        using var model = new FlatModel(TorchScript.Load(_net), CPU);
        Assert.Equal(
            [
                "conv.weight", "conv.bias", "norm.weight", "norm.bias", "fc.weight", "fc.bias",
                "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
            ],
            model.Layout.Select(layout => layout.Name));
        using var scope = NewDisposeScope();
        using var images = ones(2, 1, 8, 8);
        model.Module.eval();
        Assert.NotEqual(0, model.Module.Call(images).abs().sum().item<float>());
        using (no_grad()) model.Parameters.zero_();
        Assert.Equal(0, model.Module.Call(images).abs().sum().item<float>());
    }

    [Fact]
    public void A_contribution_does_not_depend_on_earlier_work()
    {
        using var bench = new MapBench(TestJobs.Of(_net));
        var first = bench.Compute(0, 0).Bits;
        for (var microBatch = 1; microBatch < 4; microBatch++) bench.Compute(0, microBatch);
        Assert.Equal(first, bench.Compute(0, 0).Bits);
        using var other = new MapBench(TestJobs.Of(_net));
        Assert.Equal(first, other.Compute(0, 0).Bits);
    }

    [Fact]
    public void A_saved_model_has_the_trained_parameters()
    {
        using var scope = NewDisposeScope();
        using var model = TorchScript.Load(_net);
        using (no_grad())
            foreach (var parameter in model.parameters()) parameter.normal_();
        var tensors = model.state_dict().Select(entry => DataOf(entry.Key, entry.Value)).ToList();
        var path = Path.Combine(_folder.Path, "model.pt");
        using var trained = TorchScript.Load(_net);
        ModelFile.Load(trained, tensors);
        TorchScript.Save(trained, path);
        using var again = TorchScript.Load(new() { File = path });
        model.eval();
        using var images = randn(3, 1, 8, 8);
        Assert.False(again.training);
        Assert.Equal(model.Call(images).bytes.ToArray(), again.Call(images).bytes.ToArray());
        Assert.Equal([path], Directory.GetFiles(_folder.Path));

        static TensorData DataOf(string name, Tensor tensor) =>
            new(name, tensor.dtype == ScalarType.Int64 ? "I64" : "F32", [.. tensor.shape], tensor.bytes.ToArray());
    }

    [Fact]
    public void A_file_that_is_not_TorchScript_is_rejected()
    {
        var text = Path.Combine(_folder.Path, "text.pt");
        File.WriteAllText(text, "no script");
        AssertRejected(new() { File = text }, $"model.file is '{text}', which this libtorch cannot load as TorchScript: ");
        AssertRejected(new() { File = "gone.pt" }, "model.file is 'gone.pt', which does not exist");
        AssertRejected(_net with { Sha256 = new('0', 64) }, $"model.file is '{_net.File}', whose SHA-256 is ");

        static void AssertRejected(TorchScriptSpec spec, string start) => Assert.StartsWith(
            start, Assert.Throws<PluginException>(() => TorchScript.Load(spec)).Message, StringComparison.Ordinal);
    }
}
