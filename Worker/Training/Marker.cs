using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>The identity, which tells when backward comes by: its gradient goes through as it is, so that no bit of any gradient changes.</summary>
internal sealed class Marker : autograd.SingleTensorFunction<Marker>
{
    private const string Key = "call";

    /// <summary>Who is told, and of which call.</summary>
    internal sealed record Call(BackwardProgress Progress, int Number);

    public override string Name => nameof(Marker);

    /// <summary>A tensor with the elements of <paramref name="input"/>, in the same memory, that has this function behind it.</summary>
    public static Tensor On(Tensor input, Call call) => apply(input, call);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.set_materialize_grads(false);
        ctx.save_data(Key, vars[1]);
        // Returned as it is, autograd would make a view of it, which nobody may change in place.
        return ((Tensor)vars[0]).detach();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var call = (Call)ctx.get_data(Key);
        return call.Progress.Reached(call.Number, grad_output);
    }
}
