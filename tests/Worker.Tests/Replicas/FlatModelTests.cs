using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Tasks;
using Distributed.Worker.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tests.Replicas;

[Collection(TorchTests.Name)]
public sealed class FlatModelTests
{
    private static readonly Gen<FlatModel> _models = Gen
        .Select(Gen.Int[1, 3], Gen.Int[1, 5], Gen.Int[1, 6], Gen.Bool, Gen.Long[0, 1000])
        .Select((blocks, channels, hidden, batchNorm, seed) =>
        {
            manual_seed(seed);
            var spec = new CnnSpec { Channels = [.. Enumerable.Repeat(channels, blocks)], Hidden = hidden, BatchNorm = batchNorm };
            return new FlatModel(new Cnn(spec, [1, 8, 8], 3), CPU);
        });

    [Fact]
    public void The_layout_covers_the_vectors_once_and_gives_each_value_its_place() => _models.Sample(
        model =>
        {
            using var scope = NewDisposeScope();
            Assert.Equal(model.Module.state_dict().Keys.Order(), model.Layout.Select(l => l.Name).Order());
            AssertCovers(model.Parameters, model.Layout.Where(l => l.Kind is TensorKind.Parameter));
            AssertCovers(model.Buffers, model.Layout.Where(l => l.Kind is not TensorKind.Parameter).OrderBy(l => l.Kind));
            foreach (var (name, tensor) in model.Module.state_dict())
            {
                var at = model.Layout.Single(l => l.Name == name);
                var vector = at.Kind is TensorKind.Parameter ? model.Parameters : model.Buffers;
                Assert.Equal(tensor.shape, at.Shape);
                Assert.True(vector.narrow(0, at.Offset, at.Length).Equals(tensor.flatten().to(float32)));
            }

            model.Dispose();
        },
        iter: 20, threads: 1);

    [Fact]
    public void The_layout_has_the_order_of_PyTorchs_state_dict()
    {
        using var model = new FlatModel(new Cnn(new() { Channels = [2], BatchNorm = true }, [1, 8, 8], 3), CPU);

        Assert.Equal(
            [
                "conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias", "norm1.running_mean", "norm1.running_var",
                "norm1.num_batches_tracked", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
            ],
            model.Layout.Select(l => l.Name));
    }

    [Fact]
    public void Parameters_stay_trainable_leaves_and_follow_the_vector()
    {
        using var scope = NewDisposeScope();
        using var model = new FlatModel(new Mlp(new() { Hidden = [3] }, [4], 2), CPU);

        model.Parameters.fill_(0.25);

        Assert.All(model.Module.parameters(), p =>
        {
            Assert.True(p is { requires_grad: true, is_leaf: true });
            Assert.True(p.Equals(full_like(p, 0.25)));
        });
    }

    [Fact]
    public void Backward_adds_the_gradients_of_the_plain_module_to_the_vector()
    {
        using var scope = NewDisposeScope();
        var (images, labels) = Images(6);
        manual_seed(3);
        using var plain = Net();
        manual_seed(3);
        using var model = new FlatModel(Net(), CPU);
        functional.cross_entropy(plain.call(images), labels).backward();
        var expected = cat([.. plain.parameters().Select(p => p.grad!.flatten())]);

        using var target = Target(model);
        functional.cross_entropy(model.Module.Call(images), labels).backward();
        Assert.True(target.Gradient.allclose(expected, rtol: 1e-5, atol: 1e-7));
        model.RestoreBuffers();
        functional.cross_entropy(model.Module.Call(images), labels).backward();
        Assert.True(target.Gradient.allclose(expected * 2, rtol: 1e-5, atol: 1e-7));
        using var other = Target(model);
        model.RestoreBuffers();
        functional.cross_entropy(model.Module.Call(images), labels).backward();
        Assert.True(target.Gradient.allclose(expected * 2, rtol: 1e-5, atol: 1e-7));
        Assert.True(other.Gradient.allclose(expected, rtol: 1e-5, atol: 1e-7));

        static Cnn Net() => new(new() { Channels = [4], Hidden = 8, BatchNorm = true }, [1, 8, 8], 3);
    }

    [Fact]
    public void The_gradient_of_a_micro_batch_has_the_same_bits_in_every_model_and_at_any_time()
    {
        using var scope = NewDisposeScope();
        var (images, labels) = Images(16);
        using var first = Noisy(seed: 5);
        var once = MicroBatch(first, images, labels, seed: 9);
        MicroBatch(first, images.flip(0), labels, seed: 8);
        var again = MicroBatch(first, images, labels, seed: 9);
        using var elsewhere = randn(12_345);
        using var second = Noisy(seed: 6);
        second.Parameters.copy_(first.Parameters);
        var other = MicroBatch(second, images.clone(), labels.clone(), seed: 9);

        Assert.NotEqual(0, once.Gradient.abs().max().item<float>());
        Assert.NotEqual(0, once.Change.abs().max().item<float>());
        Assert.All([again, other], run =>
        {
            Assert.Equal(once.Gradient.bytes.ToArray(), run.Gradient.bytes.ToArray());
            Assert.Equal(once.Change.bytes.ToArray(), run.Change.bytes.ToArray());
        });
        Assert.False(once.Gradient.Equals(MicroBatch(first, images, labels, seed: 10).Gradient));
    }

    [Fact]
    public void Buffers_move_by_the_mean_change_of_the_micro_batches()
    {
        using var scope = NewDisposeScope();
        using var norm = BatchNorm1d(2);
        using var model = new FlatModel(Sequential(("norm", norm)), CPU);
        var sum = zeros_like(model.Buffers);
        foreach (var (value, samples) in new[] { (10f, 3), (20f, 5) })
        {
            model.RestoreBuffers();
            using var _ = model.Module.Call(full(samples, 2, value));
            var change = empty_like(model.Buffers);
            model.BufferChange(samples, change);
            sum.add_(change);
        }

        model.ApplyBufferChange(sum.div_(8));

        // Momentum 0.1: each running mean moved from 0 to a tenth of its batch's mean, and the average is over the 8 samples.
        Assert.Equal(((3 * 1f) + (5 * 2f)) / 8, norm.running_mean![0].item<float>(), 1e-6f);
        Assert.Equal(0.9f, norm.running_var![0].item<float>(), 1e-6f);
        Assert.Equal(1, norm.num_batches_tracked!.item<long>());
        Assert.Equal(1, model.Buffers[-1].item<float>());
    }

    [Fact]
    public void Integer_buffers_are_rounded_and_restored()
    {
        using var scope = NewDisposeScope();
        using var norm = BatchNorm1d(2);
        using var model = new FlatModel(Sequential(("norm", norm)), CPU);

        model.ApplyBufferChange(full_like(model.Buffers, 2.6));
        Assert.Equal(3, norm.num_batches_tracked!.item<long>());
        using var output = model.Module.Call(randn(4, 2));
        Assert.Equal(4, norm.num_batches_tracked!.item<long>());
        model.RestoreBuffers();
        Assert.Equal(3, norm.num_batches_tracked!.item<long>());
        Assert.Equal(2.6f, norm.running_mean![1].item<float>());
    }

    [Fact]
    public void Evaluation_reads_the_committed_buffers()
    {
        using var scope = NewDisposeScope();
        using var model = new FlatModel(Sequential(("norm", BatchNorm1d(1))), CPU);
        model.Module.eval();
        model.Buffers.copy_(tensor([7f, 1f, 0f]));
        model.RestoreBuffers();

        Assert.Equal(0, model.Module.Call(full(1, 1, 7f)).item<float>(), 1e-5f);
    }

    [Fact]
    public void A_shared_parameter_is_counted_once_and_sums_both_gradients()
    {
        using var scope = NewDisposeScope();
        var first = Linear(3, 3, hasBias: false);
        var second = Linear(3, 3, hasBias: false);
        second.weight = first.weight;
        using var model = new FlatModel(Sequential(("a", first), ("b", second)), CPU);
        using var target = Target(model);

        Assert.Equal(["a.weight"], model.Layout.Select(l => l.Name));
        var input = randn(1, 3);
        model.Module.Call(input).sum().backward();
        // For y = W(Wx), summed: dW = 1 (Wx)ᵀ + (Wᵀ1) xᵀ.
        var weight = model.Parameters.view(3, 3);
        var expected = ones(3, 1).mm(weight.mm(input.T).T) + weight.T.mm(ones(3, 1)).mm(input);
        Assert.True(target.Gradient.allclose(expected.flatten(), rtol: 1e-5, atol: 1e-6));
    }

    [Fact]
    public void A_frozen_parameter_is_stored_with_the_buffers_and_does_not_change()
    {
        using var scope = NewDisposeScope();
        var frozen = Linear(2, 2, hasBias: false);
        frozen.weight.requires_grad = false;
        using var model = new FlatModel(Sequential(("frozen", frozen), ("head", Linear(2, 1))), CPU);
        var change = ones_like(model.Buffers);

        model.Module.Call(randn(3, 2)).sum().backward();
        model.BufferChange(3, change);

        Assert.Equal((3, 4), (model.Parameters.numel(), model.Buffers.numel()));
        Assert.Equal(0, change.abs().max().item<float>());
    }

    [Fact]
    public void A_step_leaves_no_live_tensor()
    {
        using var scope = NewDisposeScope();
        var (images, labels) = Images(8);
        using var model = Noisy(seed: 1);
        using var target = Target(model);
        Step();
        var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        for (var step = 0; step < 50; step++) Step();

        Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void Step()
        {
            using var step = NewDisposeScope();
            target.Floats.fill_(0);
            model.AddGradientsTo(target);
            model.RestoreBuffers();
            functional.cross_entropy(model.Module.Call(images), labels).backward();
            model.BufferChange(8, target.BufferChange);
            model.Parameters.add_(target.Gradient, alpha: -0.01);
            model.ApplyBufferChange(target.BufferChange.div_(8));
        }
    }

    [Fact]
    public void The_methods_of_a_model_leave_no_live_tensor_without_a_scope()
    {
        using var model = Noisy(seed: 1);
        using var target = Target(model);
        var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        model.AddGradientsTo(target);
        model.RestoreBuffers();
        model.BufferChange(8, target.BufferChange);
        model.ApplyBufferChange(target.BufferChange);
        model.VerifyAliasing();

        Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Disposing_frees_every_tensor()
    {
        var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        new FlatModel(Sequential(("norm", BatchNorm1d(2)), ("head", Linear(2, 1))), CPU).Dispose();

        Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_module_whose_gradients_no_longer_share_the_vector_is_detected()
    {
        using var model = new FlatModel(new Mlp(new() { Hidden = [3] }, [4], 2), CPU);
        model.VerifyAliasing();
        using var target = Target(model);
        model.VerifyAliasing();
        model.Module.zero_grad();

        Assert.Contains("'fc1.weight'", Assert.Throws<ArgumentException>(model.VerifyAliasing).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_module_that_cannot_be_flattened_is_refused()
    {
        using var doubles = Sequential(("l", Linear(2, 2, dtype: float64)));
        using var nothing = Sequential(("relu", ReLU()));
        using var norm = BatchNorm1d(2);
        norm.num_batches_tracked!.fill_((1 << 24) + 1);
        using var counted = Sequential(("norm", norm));

        Assert.Contains("'l.weight' is Float64", Refusal(doubles), StringComparison.Ordinal);
        Assert.Contains("no trainable parameter", Refusal(nothing), StringComparison.Ordinal);
        Assert.Contains("'norm.num_batches_tracked' holds 16777217", Refusal(counted), StringComparison.Ordinal);

        static string Refusal(Sequential module) => Assert.Throws<ArgumentException>(() => new FlatModel(module, CPU)).Message;
    }

    [Fact]
    public void A_buffer_change_of_another_length_is_refused()
    {
        using var scope = NewDisposeScope();
        using var model = Noisy(seed: 1);

        Assert.Throws<ArgumentException>(() => model.BufferChange(1, zeros(model.Buffers.numel() + 1)));
        Assert.Throws<ArgumentException>(() => model.ApplyBufferChange(zeros(1)));
    }

    private static FlatModel Noisy(long seed)
    {
        manual_seed(seed);
        return new FlatModel(new Cnn(new() { Channels = [8, 16], Hidden = 32, BatchNorm = true, Dropout = 0.3 }, [1, 8, 8], 3), CPU);
    }

    private static (Tensor Images, Tensor Labels) Images(int samples)
    {
        manual_seed(2);
        return (randn(samples, 1, 8, 8), randint(0, 3, samples, int64));
    }

    /// <summary>A vector of zeros to which the model adds its gradients.</summary>
    private static FlatContribution Target(FlatModel model)
    {
        var target = new FlatContribution(model, zeros(model.Parameters.numel() + model.Buffers.numel()));
        model.AddGradientsTo(target);
        return target;
    }

    private static (Tensor Gradient, Tensor Change) MicroBatch(FlatModel model, Tensor images, Tensor labels, long seed)
    {
        using var target = Target(model);
        model.RestoreBuffers();
        manual_seed(seed);
        functional.cross_entropy(model.Module.Call(images), labels, reduction: Reduction.Sum).backward();
        var change = empty_like(model.Buffers);
        model.BufferChange(images.shape[0], change);
        return (target.Gradient.clone(), change);
    }

    private static void AssertCovers(Tensor vector, IEnumerable<TensorLayout> layouts)
    {
        var next = 0L;
        foreach (var layout in layouts)
        {
            Assert.Equal(next, layout.Offset);
            next += layout.Length;
        }

        Assert.Equal(vector.numel(), next);
    }
}
